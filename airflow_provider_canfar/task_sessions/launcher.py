"""Creating the sessions of replicas, each exactly once: whatever happens to the response to a create."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_canfar.skaha.errors import RequestError, ServiceBusy
from airflow_provider_canfar.skaha.log_line import WarningLine
from airflow_provider_canfar.skaha.metrics import Metric
from airflow_provider_canfar.task_sessions.batch import AssignedSession
from airflow_provider_canfar.task_sessions.concurrency import LAUNCH_CONCURRENCY, AdaptiveConcurrency
from airflow_provider_canfar.task_sessions.lost_creates import LOST_CREATE_WAIT, LostCreates

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.client import SkahaClient
    from airflow_provider_canfar.skaha.models import SessionSpec

#: Each session at DEBUG, which Airflow writes to the task's log, too.
log = logging.getLogger(__name__)

#: Seconds for which a phase launches. Other tasks then have the worker, until the next wake goes on.
LAUNCH_FOR = 60.0

#: How often one replica is sent in a row without a response, before the platform's error is the task's.
CREATES_PER_TRY = 3

#: Seconds until a busy platform that names no time is asked again.
BUSY_WAIT = 30.0


@dataclass(slots=True)
class _Found:
    """What creates that failed have said.

    :param doubtful: name -> the error of a create that may have made its session all the same.
    """

    doubtful: dict[str, RequestError] = field(default_factory=dict)
    refusals: list[RequestError] = field(default_factory=list)
    unexpected: list[BaseException] = field(default_factory=list)


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
        #: How many creates to have under way at once.
        self.concurrency = AdaptiveConcurrency(LAUNCH_CONCURRENCY)
        #: Seconds after the first create after which no more begin; None for no bound.
        self.launch_for: float | None = None
        self._began: float | None = None
        self._lost_creates = LostCreates(spec.kind, emit, lost_create_wait, clock, sleep)
        self._clock = clock
        self._lost: dict[int, list[RequestError]] = {}
        self._in_flight: set[asyncio.Task[None]] = set()

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
        self._began = self._clock() if self._began is None else self._began
        found, left = _Found(), deque(names.items())
        create = partial(self._create, client, assign, found)
        self._begin_creates(create, left, found)
        while self._in_flight:
            # All of them: an unexpected error of one must not leave the others unaccounted for.
            found.unexpected += await self._errors_of_ended()
            self._begin_creates(create, left, found)
        if found.unexpected:
            raise found.unexpected[0]
        # Before any refusal is raised: a session that appears late would otherwise belong to no replica.
        await self._lost_creates.wait(client, found.doubtful, is_stopped=lambda: self.stopped)
        if found.refusals:
            self.refused = True
            raise found.refusals[0]

    async def _create(
        self,
        client: SkahaClient,
        assign: Callable[[int, AssignedSession], None],
        found: _Found,
        replica: int,
        name: str,
    ) -> None:
        began = self._clock()
        try:
            session_id = await client.create_replica(self._spec, replica, name=name)
        except RequestError as error:
            if error.retryable:  # A refusal is raised, and logged as what fails the task.
                self._emit(WarningLine(f"Could not create session {name} for replica {replica}: {error}"))
            if error.maybe_applied:
                found.doubtful[name] = error
                client.metrics.send(Metric.CREATES_LOST)
            if not error.retryable:
                found.refusals.append(error)
            else:
                self.concurrency.reduce()
                self._plan_retry(replica, error)
        else:
            self.concurrency.created(self._clock() - began)
            assign(replica, AssignedSession(session_id, name, round(self._clock(), 1)))
            log.debug("Launched replica %d: session %s (%s).", replica, session_id, name)

    def _begin_creates(
        self,
        create: Callable[[int, str], Coroutine[Any, Any, None]],
        left: deque[tuple[int, str]],
        found: _Found,
    ) -> None:
        """Begin as many creates as may be under way."""
        is_over = self.stopped or self.retry_at is not None or found.refusals or found.unexpected
        if is_over or not left:
            return
        if self.launch_for is not None and self._clock() - (self._began or 0.0) >= self.launch_for:
            self._emit(
                f"Launched for {self.launch_for:.0f} s; {len(left)} replicas follow with the next wake."
            )
            self.retry_at = self._clock()
            return
        while left and len(self._in_flight) < self.concurrency.now:
            self._in_flight.add(asyncio.create_task(create(*left.popleft())))

    @property
    def is_launching(self) -> bool:
        """Whether creates are under way."""
        return not all(create.done() for create in self._in_flight)

    async def wait_for_creates(self, within: float) -> None:
        """Let the creates that are under way finish, so that their sessions can be destroyed."""
        if self._in_flight:
            await asyncio.wait(self._in_flight, timeout=within)

    async def _errors_of_ended(self) -> list[BaseException]:
        """Wait until creates that are under way have ended, and return their unexpected errors.

        A time-out that cancels the wait does not cancel them: it would not undo what the platform is making.
        """
        try:
            ended, self._in_flight = await asyncio.wait(self._in_flight, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self.stopped = True
            raise
        return [error for one in ended if (error := one.exception()) is not None]

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
