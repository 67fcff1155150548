"""Sessions that do not start: some wait in a queue, others never will. No I/O.

A session whose image cannot be pulled stays Pending until the platform's deadline, which is two weeks. Its
events say so within a minute. A session that waits for free cores is Pending too, and may be for hours.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.models import Event, Session

#: Seconds for which a session is Pending before its events are read. The pauses between two reads double up
#: to the longest, as a queue may last for days; they start over when the queue admits the session.
READ_EVENTS_EVERY = 30.0
LONGEST_EVENTS_PAUSE = 600.0

#: Of the Pending sessions of one task, the events of this many are read per list: they wait for the same
#: thing.
EVENTS_PER_LIST = 2

#: What Kubernetes says when it has tried at least twice; a first failure may be a short outage of a registry.
_FATAL = re.compile(
    r"ImagePullBackOff|Back-off pulling image|InvalidImageName|ErrImageNeverPull|CreateContainerConfigError"
)
#: What it says at the first failure, with the reason.
_REASON = re.compile(r"Failed to pull image|Failed to apply default image tag|InvalidImageName|Error: Create")
_WAITING = frozenset({"FailedScheduling", "FailedMount", "FailedCreate"})


def fatal_start_reason(events: Sequence[Event]) -> str | None:
    """Return why a session can never start, in the platform's words; None when it still may.

    A session whose container has started once is past that point.
    """
    if any(event.reason == "Started" and "init" not in event.message for event in events):
        return None
    if not any(_FATAL.search(event.message) for event in events):
        return None
    reasons = [event.message for event in events if _REASON.search(event.message)]
    return reasons[-1] if reasons else events[-1].message


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
        self.failed: dict[str, str] = {}

    def observe(self, session: Session, at: float) -> None:
        """Take in how a session stands. One that is Pending again after it ran has been preempted."""
        if session.id not in self._names:
            self._names[session.id] = session.name
            self._first_seen(session.id, at)
        if session.status.value != "Pending":
            self._started.add(session.id)
            self._ask_at.pop(session.id, None)
        elif session.id not in self._started:
            if session.start_time is not None and session.id not in self._admitted:
                self._admitted.add(session.id)
                self._pauses.pop(session.id, None)
                self._ask_at.pop(session.id, None)
            self._ask_at.setdefault(session.id, at + READ_EVENTS_EVERY)
            if at >= self._start_by.get(session.id, at + 1):
                reason = self._reasons.get(session.id, "its events give no reason")
                self.failed[session.id] = f"it was Pending for longer than startup_timeout allows; {reason}"

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
        return due[:EVENTS_PER_LIST]

    def wake_at(self) -> float | None:
        """Return when there are events to read or a bound to check, in seconds since the epoch."""
        bounds = [self._start_by[one] for one in self._ask_at if one in self._start_by]
        return min([*self._ask_at.values(), *bounds], default=None)

    def postpone(self, session_id: str, at: float) -> None:
        """Read a session's events later."""
        # Last in the dict, so that each gets its turn; and at a time of its own among the sessions of others.
        self._ask_at.pop(session_id, None)
        pause = self._pauses.get(session_id, READ_EVENTS_EVERY)
        self._ask_at[session_id] = at + pause * random.uniform(1.0, 1.5)  # noqa: S311 - no secret's randomness

    def record_events(self, session_id: str, events: Sequence[Event], at: float) -> str | None:
        """Take in a session's events, and return a line when they say something new."""
        self._pauses[session_id] = min(
            2 * self._pauses.get(session_id, READ_EVENTS_EVERY), LONGEST_EVENTS_PAUSE
        )
        self.postpone(session_id, at)
        if words := fatal_start_reason(events):
            self.failed[session_id] = words
        reason = pending_reason(events)
        if reason is None or self._reasons.get(session_id) == reason:
            return None
        self._reasons[session_id] = reason
        return f"{self._names.get(session_id, session_id)} {session_id} is waiting: {reason}"
