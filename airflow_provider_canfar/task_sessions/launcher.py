"""Creating the sessions of replicas, each exactly once: whatever happens to the response to a create."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.errors import RequestError, ServiceBusy
from airflow_provider_canfar.skaha.metrics import Metric
from airflow_provider_canfar.task_sessions.batch import AssignedSession
from airflow_provider_canfar.task_sessions.lost_creates import LOST_CREATE_WAIT, LostCreates

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.client import SkahaClient
    from airflow_provider_canfar.skaha.models import SessionSpec

#: Each session at DEBUG, which Airflow writes to the task's log, too.
log = logging.getLogger(__name__)

#: How many creates are under way at once. Each costs the platform a chain of look-ups and a kubectl.
LAUNCH_CONCURRENCY = 8

#: How often one replica is sent in a row without a response, before the platform's error is the task's.
CREATES_PER_TRY = 3

#: Seconds until a busy platform that names no time is asked again.
BUSY_WAIT = 30.0


class Launcher:
    """Launches sessions, and accounts for every response to a create, and for every one that is lost.

    :param spec: what each replica runs.
    :param emit: writes one line to the task's log.
    :param lost_create_wait: seconds for which to look for a session whose response was lost.
    """

    def __init__(
        self,
        spec: SessionSpec,
        *,
        emit: Callable[[str], None],
        lost_create_wait: float = LOST_CREATE_WAIT,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        #: Set from outside to launch nothing more.
        self.stopped = False
        #: Whether the platform refused a launch, and would refuse it again.
        self.refused = False
        #: When to launch again what a busy platform did not take; seconds since the epoch.
        self.retry_at: float | None = None
        self._spec = spec
        self._emit = emit
        self._lost_creates = LostCreates(spec.kind, emit, lost_create_wait, clock, sleep)
        self._clock = clock
        self._lost: dict[int, list[RequestError]] = {}
        self._in_flight: list[asyncio.Task[None]] = []

    def begin_round(self) -> None:
        """Forget what an earlier round met: the platform may take now what it did not take then."""
        self.refused = False
        self.retry_at = None
        self._lost = {}

    def postpone(self) -> None:
        """Launch nothing for a while."""
        self.retry_at = self._clock() + BUSY_WAIT

    async def launch(
        self,
        client: SkahaClient,
        names: Mapping[int, str],
        assign: Callable[[int, AssignedSession], None],
    ) -> None:
        """Create one session per replica, and wait until each is known to exist or not.

        :param names: replica -> the name of its session.
        :param assign: takes each session that was created.
        :raises RequestError: when the platform refuses a session, and would refuse it again
            (:attr:`refused`).
        """
        self._raise_if_lost_too_often(names)
        slots = asyncio.Semaphore(LAUNCH_CONCURRENCY)
        doubtful: dict[int, RequestError] = {}
        refusals: list[RequestError] = []

        async def create(replica: int, name: str) -> None:
            async with slots:
                if refusals or self.stopped or self.retry_at is not None:
                    return
                try:
                    session_id = await client.create_replica(self._spec, replica, name=name)
                except RequestError as error:
                    self._emit(f"Could not create session {name} for replica {replica}: {error}")
                    if error.maybe_applied:
                        doubtful[replica] = error
                        client.metrics.send(Metric.CREATES_LOST)
                    if not error.retryable:
                        refusals.append(error)
                    else:
                        self._plan_retry(replica, error)
                else:
                    assign(replica, AssignedSession(session_id, name, round(self._clock(), 1)))
                    log.debug("Launched replica %d: session %s (%s).", replica, session_id, name)

        self._in_flight = [asyncio.create_task(create(replica, name)) for replica, name in names.items()]
        # All of them first: an unexpected error of one must not leave the others unaccounted for.
        for unexpected in await self._all_creates():
            if unexpected is not None:
                raise unexpected
        # Before any refusal is raised: a session that appears late would otherwise belong to no replica.
        lost = {names[replica]: error for replica, error in doubtful.items()}
        await self._lost_creates.wait(client, lost, is_stopped=lambda: self.stopped)
        if refusals:
            self.refused = True
            raise refusals[0]

    @property
    def is_launching(self) -> bool:
        """Whether creates are under way."""
        return not all(create.done() for create in self._in_flight)

    async def wait_for_creates(self, within: float) -> None:
        """Let the creates that are under way finish, so that their sessions can be destroyed."""
        if self._in_flight:
            await asyncio.wait(self._in_flight, timeout=within)

    async def _all_creates(self) -> list[BaseException | None]:
        """Wait for the creates that are under way.

        A time-out that cancels the wait does not cancel them: it would not undo what the platform is making.
        """
        try:
            return await asyncio.gather(*map(asyncio.shield, self._in_flight), return_exceptions=True)
        except asyncio.CancelledError:
            self.stopped = True
            raise

    def _plan_retry(self, replica: int, error: RequestError) -> None:
        """Decide when to send a replica again, should its session not appear: at once, or after a pause."""
        if isinstance(error, ServiceBusy) or not error.maybe_applied:
            self.retry_at = self._clock() + (getattr(error, "retry_after", None) or BUSY_WAIT)
        else:
            self._lost.setdefault(replica, []).append(error)

    def _raise_if_lost_too_often(self, replicas: Iterable[int]) -> None:
        """Raise the platform's last error for a replica that was sent often enough.

        :raises RequestError: that error.
        """
        for replica in replicas:
            errors = self._lost.get(replica, [])
            if len(errors) >= CREATES_PER_TRY:
                self.refused = True
                raise errors[-1]
