"""Looking for sessions whose create was not answered: the platform may have made them all the same.

A create has no idempotency key. So before the same is sent again, the list is read and the session's name
looked for (:mod:`~airflow_provider_canfar.skaha.naming`); the next plan then adopts it, or launches again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.errors import RequestError, ServiceBusy
from airflow_provider_canfar.skaha.log_line import WarningLine
from airflow_provider_canfar.skaha.metrics import Metric

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.client import SkahaClient

#: A create has taken the platform 90 s. For this many seconds after a lost response its session is looked for
#: in the list, before the same create is sent again.
LOST_CREATE_WAIT = 180.0

#: The same where the platform itself says that there is none: it is too busy, or Kubernetes has no such job.
NO_JOB_WAIT = 15.0

#: Seconds between two lists that look for a session whose response was lost.
LIST_EVERY = 5.0


class LostCreates:
    """Waits for sessions to appear in the list whose create was not answered.

    :param kind: of the sessions.
    :param emit: writes one line to the task's log.
    :param seconds: for how long to look for a session whose response was lost.
    """

    def __init__(
        self,
        kind: str,
        emit: Callable[[str], None],
        seconds: float,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._kind = kind
        self._emit = emit
        self._seconds = seconds
        self._clock = clock
        self._sleep = sleep

    async def wait(
        self, client: SkahaClient, lost: Mapping[str, RequestError], *, is_stopped: Callable[[], bool]
    ) -> None:
        """Look for sessions for as long as the platform may still be making them.

        Whether they appeared is for the next plan to decide.

        :param lost: name -> the error of its create.
        :param is_stopped: whether to look no longer.
        """
        now = self._clock()
        expected = {name: now + self._wait_after(error) for name, error in lost.items()}
        # Each for as long as its own error warrants: a lost one does not wait for a refused one.
        while expected and not is_stopped():
            await self._sleep(LIST_EVERY)
            listed: set[str] = set()
            try:
                listed = {session.name for session in await client.fetch(kind=self._kind)}
            except RequestError as error:
                self._emit(
                    WarningLine(
                        f"Could not look for {len(expected)} sessions whose response was lost: {error}"
                    )
                )
            client.metrics.send(Metric.CREATES_FOUND, len(listed & expected.keys()))
            now = self._clock()
            expected = {name: by for name, by in expected.items() if name not in listed and now < by}

    def _wait_after(self, error: RequestError) -> float:
        """Return for how many seconds a session may still appear after this error."""
        # The server has made the job and looked for it, and Kubernetes knew none: making it failed, or is
        # slow (PostAction reads the job back and does not look at the exit status of kubectl).
        no_job = "jobs.batch" in error.server_message and "not found" in error.server_message
        if no_job or isinstance(error, ServiceBusy):
            return min(NO_JOB_WAIT, self._seconds)
        return self._seconds
