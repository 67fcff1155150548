"""Sessions that do not start: some wait in a queue, some for an image, others never will. No I/O.

A session whose image cannot be pulled stays Pending until the platform's deadline, which is two weeks. Its
events say so within a minute, and whether it may pass (:mod:`.start_problem`). A session that waits for free
cores is Pending too, and may be for hours.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.log_line import WarningLine
from airflow_provider_canfar.skaha.statuses import Status
from airflow_provider_canfar.task_sessions.start_problem import (
    ProblemKind,
    StartFailure,
    StartProblem,
    start_problem,
)

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.models import Event, Session

#: Seconds for which a session is Pending before its events are read. The pauses between two reads double up
#: to the longest, as a queue may last for days; they start over when the queue admits the session.
READ_EVENTS_EVERY = 30.0
LONGEST_EVENTS_PAUSE = 600.0

#: Of the Pending sessions of one task, the events of this many are read per list: they wait for the same
#: thing. Once one of them has failed, those of more are: they may fail for the same reason.
EVENTS_PER_LIST = 2
EVENTS_PER_LIST_AFTER_FAILURE = 8

_LATE = "Give it more time, or ask for fewer cores, ram or gpus."

_WAITING = frozenset({"FailedScheduling", "FailedMount", "FailedCreate", "FailedCreatePodSandBox"})


def pending_reason(events: Sequence[Event]) -> str | None:
    """Return what a session waits for, in the platform's words; None when its events do not say."""
    reasons = [f"{event.reason}: {event.message}" for event in events if event.reason in _WAITING]
    return reasons[-1] if reasons else None


class StartupMonitor:
    """Which sessions of a wait have not started, and what is known of the reasons.

    :param start_by: session id -> seconds since the epoch at which it must have started.
    :param since: when the wait began, in seconds since the epoch.
    """

    def __init__(self, start_by: Mapping[str, float], since: float | None = None) -> None:
        self._start_by = dict(start_by)
        self._since = since
        self._ask_at: dict[str, float] = {}
        self._pauses: dict[str, float] = {}
        self._admitted: set[str] = set()
        self._reasons: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._started: set[str] = set()
        self._problems: dict[str, StartProblem] = {}
        #: When a problem was met whose events have no times.
        self._met_at: dict[str, float] = {}
        #: Id -> why the session will not start, or was given the time it had.
        self.failed: dict[str, StartFailure] = {}
        #: When the first of them failed.
        self.failed_at: float | None = None

    def observe(self, session: Session, at: float) -> str | None:
        """Take in how a session stands, and return a line when it has started after all.

        One that is Pending again after it ran has been preempted.
        """
        if session.id not in self._names:
            self._names[session.id] = session.name
            self._first_seen(session.id, at)
        if session.status is not Status.PENDING:
            self._started.add(session.id)
            return self._forget(session)
        if session.id not in self._started and session.id not in self.failed:
            if session.start_time is not None and session.id not in self._admitted:
                self._admitted.add(session.id)
                self._pauses.pop(session.id, None)
                self._ask_at.pop(session.id, None)
                self._met_at[session.id] = session.start_time.timestamp()
            self._ask_at.setdefault(session.id, at + READ_EVENTS_EVERY)
            if at >= self._start_by.get(session.id, at + 1):
                reason = self._reasons.get(session.id, "its events give no reason")
                late = "it was Pending for longer than startup_timeout allows"
                self._fail(session.id, f"{late}; {reason.rstrip('.')}. {_LATE}", at)
        return None

    def _forget(self, session: Session) -> str | None:
        """Forget why a session did not start: it has, or has ended, or is about to."""
        self._ask_at.pop(session.id, None)
        self.failed.pop(session.id, None)
        problem = self._problems.pop(session.id, None)
        if problem is None or session.status is not Status.RUNNING:
            return None
        return f"{session.name} {session.id} has started after all."

    def mark_gone(self, session_id: str) -> None:
        """Forget a session that the platform no longer knows."""
        for known in (self._ask_at, self._problems, self.failed):
            known.pop(session_id, None)

    def _fail(self, session_id: str, reason: str, at: float, *, retryable: bool = True) -> None:
        self._ask_at.pop(session_id, None)
        if self.failed_at is None:
            self.failed_at = at
            # The others may fail for the same reason: read their events now.
            self._ask_at = dict.fromkeys(self._ask_at, at)
        self.failed[session_id] = StartFailure(reason, retryable=retryable)

    def _first_seen(self, session_id: str, at: float) -> None:
        """Postpone the bound where it has passed while no triggerer was watching.

        The session may have run by then, and may wait for its second start. Only after another full period
        under watch is it known to have had its time.
        """
        start_by = self._start_by.get(session_id)
        if start_by is not None and self._since is not None and self._since < start_by <= at:
            self._start_by[session_id] = at + start_by - self._since

    @property
    def started(self) -> tuple[str, ...]:
        """Return the ids, of those that must start in time, that have."""
        return tuple(sorted(self._started & self._start_by.keys()))

    def due(self, at: float) -> list[str]:
        """Return the ids of the sessions whose events to read now."""
        due = [session_id for session_id, when in self._ask_at.items() if at >= when]
        return due[: EVENTS_PER_LIST if self.failed_at is None else EVENTS_PER_LIST_AFTER_FAILURE]

    def wake_at(self) -> float | None:
        """Return when there are events to read or a bound to check, in seconds since the epoch."""
        bounds = [self._start_by[one] for one in self._ask_at if one in self._start_by]
        return min([*self._ask_at.values(), *bounds], default=None)

    def postpone(self, session_id: str, at: float) -> None:
        """Read a session's events later; in any case when its problem has lasted too long."""
        # Last in the dict, so that each gets its turn; and at a time of its own among the sessions of others.
        self._ask_at.pop(session_id, None)
        pause = self._pauses.get(session_id, READ_EVENTS_EVERY)
        ask_at = at + pause * random.uniform(1.0, 1.5)  # noqa: S311 - no secret's randomness
        problem = self._problems.get(session_id)
        if problem is not None and at < (until := self._until(session_id, problem, at)):
            ask_at = min(ask_at, until)
        self._ask_at[session_id] = ask_at

    def record_events(self, session_id: str, events: Sequence[Event], at: float) -> str | None:
        """Take in a session's events, and return a line when they say something new."""
        self._pauses[session_id] = min(
            2 * self._pauses.get(session_id, READ_EVENTS_EVERY), LONGEST_EVENTS_PAUSE
        )
        problem = start_problem(events)
        if problem is not None:
            line = self._record_problem(session_id, problem, at)
            if session_id not in self.failed:
                self.postpone(session_id, at)
            return line
        self.postpone(session_id, at)
        return self._record_reason(session_id, pending_reason(events))

    def _record_reason(self, session_id: str, reason: str | None) -> str | None:
        if reason is None or self._reasons.get(session_id) == reason:
            return None
        self._reasons[session_id] = reason
        return f"{self._names.get(session_id, session_id)} {session_id} is waiting: {reason}"

    def _record_problem(self, session_id: str, problem: StartProblem, at: float) -> str | None:
        """Fail the session if the problem does not pass or has lasted too long; or else wait it out."""
        known = self._problems.get(session_id)
        self._problems[session_id] = problem
        self._reasons[session_id] = problem.message
        until = self._until(session_id, problem, at)
        message = problem.message.rstrip(".")
        if at >= until:
            is_permanent = problem.kind is ProblemKind.PERMANENT
            lasted = "" if is_permanent else f"for {problem.kind.value / 60:.0f} minutes: "
            reason = f"{lasted}{message}. {problem.advice}"
            self._fail(session_id, reason, at, retryable=not is_permanent)
            return None
        if known is not None and known.signature == problem.signature:
            return None
        self._pauses.pop(session_id, None)
        return WarningLine(
            f"{self._names.get(session_id, session_id)} {session_id} does not start yet: {message}. "
            f"Waiting for it until {datetime.fromtimestamp(until, UTC):%Y-%m-%d %H:%M} UTC."
        )

    def _until(self, session_id: str, problem: StartProblem, at: float) -> float:
        """Return until when to wait for a problem to pass, in seconds since the epoch.

        The times in the events hold over restarts of a triggerer and any number of waits, which each begin
        without knowing what the one before has seen. Without them, the time counts since the platform
        admitted the session.
        """
        met_at = self._met_at.setdefault(session_id, at)
        since = problem.since.timestamp() if problem.since is not None else met_at
        # The clock of the cluster may be ahead of ours.
        return min(since, at) + problem.kind.value
