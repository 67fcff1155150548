"""Sessions that do not start: telling a queue from a dead end. No I/O.

A session whose image cannot be pulled stays Pending until the platform's deadline, which is two weeks. Its
events say so within a minute. A session that waits for free cores is Pending too, honestly, and may be so for
hours.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.models import Event, Session

#: Seconds for which a session is Pending before its events are asked for. The pauses between two questions
#: double up to the longest, as a queue may last for days; they begin anew when the queue lets a session go.
ASK_EVERY = 30.0
LONGEST_PAUSE = 600.0

#: Of many Pending sessions of one task, so many are asked about per look: they wait for the same thing.
ASKED_PER_LOOK = 2

#: What Kubernetes says when it has tried twice at least; a first failure may be a registry's bad moment.
_DEAD_END = re.compile(
    r"ImagePullBackOff|Back-off pulling image|InvalidImageName|ErrImageNeverPull|CreateContainerConfigError"
)
#: What it says at the first failure, in words that tell the reason.
_REASON = re.compile(r"Failed to pull image|Failed to apply default image tag|InvalidImageName|Error: Create")
_WAITING = frozenset({"FailedScheduling", "FailedMount", "FailedCreate"})


def fatal_start_reason(events: Sequence[Event]) -> str | None:
    """Say why a session can never start, in the platform's words; None when it still may.

    A session whose container has started at all is past such an end.
    """
    if any(event.reason == "Started" and "init" not in event.message for event in events):
        return None
    if not any(_DEAD_END.search(event.message) for event in events):
        return None
    reasons = [event.message for event in events if _REASON.search(event.message)]
    return reasons[-1] if reasons else events[-1].message


def pending_reason(events: Sequence[Event]) -> str | None:
    """Say what a session waits for, in the platform's words; None when its events do not tell."""
    reasons = [f"{event.reason}: {event.message}" for event in events if event.reason in _WAITING]
    return reasons[-1] if reasons else None


class StartupMonitor:
    """Which of the sessions that are waited for have not started, and what is known of the reasons.

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
            self._first_look_at(session.id, at)
        if session.status.value != "Pending":
            self._started.add(session.id)
            self._ask_at.pop(session.id, None)
        elif session.id not in self._started:
            if session.start_time is not None and session.id not in self._admitted:
                self._admitted.add(session.id)
                self._pauses.pop(session.id, None)
                self._ask_at.pop(session.id, None)
            self._ask_at.setdefault(session.id, at + ASK_EVERY)
            if at >= self._start_by.get(session.id, at + 1):
                reason = self._reasons.get(session.id, "its events give no reason")
                self.failed[session.id] = f"it was Pending for longer than startup_timeout allows; {reason}"

    def _first_look_at(self, session_id: str, at: float) -> None:
        """Put the bound off where it has passed while nobody was looking: a triggerer was away meanwhile.

        The session may have run by then, and may wait for its second start. Only with somebody who looks on
        for as long again is it known to have had its time.
        """
        start_by = self._start_by.get(session_id)
        if start_by is not None and self._since is not None and self._since < start_by <= at:
            self._start_by[session_id] = at + start_by - self._since

    @property
    def started(self) -> tuple[str, ...]:
        """Return the ids, of those that must start in time, that have."""
        return tuple(sorted(self._started & self._start_by.keys()))

    def to_ask(self, at: float) -> list[str]:
        """Return the ids whose events shall be asked for now."""
        due = [session_id for session_id, when in self._ask_at.items() if at >= when]
        return due[:ASKED_PER_LOOK]

    def wake_at(self) -> float | None:
        """Say when there is something to ask or to decide, in seconds since the epoch."""
        bounds = [self._start_by[one] for one in self._ask_at if one in self._start_by]
        return min([*self._ask_at.values(), *bounds], default=None)

    def postpone(self, session_id: str, at: float) -> None:
        """Ask for a session's events later: there are too many questions now."""
        # Asked last of all the next time, so that each gets its turn; and among the sessions of other tasks
        # at a time of its own.
        self._ask_at.pop(session_id, None)
        pause = self._pauses.get(session_id, ASK_EVERY)
        self._ask_at[session_id] = at + pause * random.uniform(1.0, 1.5)  # noqa: S311 - no secret's randomness

    def record_events(self, session_id: str, events: Sequence[Event], at: float) -> str | None:
        """Take in a session's events, and return a sentence when they say something new."""
        self._pauses[session_id] = min(2 * self._pauses.get(session_id, ASK_EVERY), LONGEST_PAUSE)
        self.postpone(session_id, at)
        if words := fatal_start_reason(events):
            self.failed[session_id] = words
        reason = pending_reason(events)
        if reason is None or self._reasons.get(session_id) == reason:
            return None
        self._reasons[session_id] = reason
        return f"{self._names.get(session_id, session_id)} {session_id} waits: {reason}"
