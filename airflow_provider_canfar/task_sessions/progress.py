"""How far a task's replicas are: a line for its log, and when to write one. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_canfar.task_sessions.replica_states import ReplicaState

if TYPE_CHECKING:
    from airflow_provider_canfar.task_sessions.replica_states import ReplicaStates

#: Seconds between two lines in which nothing much has happened.
LINE_EVERY = 60.0

#: A line follows whenever this part of all replicas has ended since the last one.
LINES_PER_TASK = 10


def ended_in(states: ReplicaStates) -> int:
    """Return how many replicas have ended, those that have failed among them."""
    counts = states.counts()
    return counts[ReplicaState.SUCCEEDED] + counts[ReplicaState.FAILED]


def progress_line(states: ReplicaStates) -> str:
    """Say in one line how far all replicas are.

    >>> from airflow_provider_canfar.task_sessions.replica_states import ReplicaStates
    >>> progress_line(ReplicaStates("ssfrrrp."))
    '3 of 8 done, 3 running, 2 waiting, 1 failed'
    """
    counts = states.counts()
    waiting = counts[ReplicaState.WAITING] + counts[ReplicaState.PENDING]
    return (
        f"{ended_in(states):,} of {len(states):,} done, {counts[ReplicaState.RUNNING]:,} running, "
        f"{waiting:,} waiting, {counts[ReplicaState.FAILED]:,} failed"
    )


class ProgressLog:
    """When the task's log gets a line about its progress: after each tenth, and each minute.

    A task with one replica needs none: the log has each change of its session.

    :param states: what is known of the replicas; it changes from outside.
    :param since: when the last line was written, in seconds since the epoch.
    """

    def __init__(self, states: ReplicaStates, since: float) -> None:
        self._states = states
        self._written_at = since
        self._ended = ended_in(states)
        self._is_needed = len(states) > 1

    def wake_at(self) -> float | None:
        """Return when the next line is due if nothing happens; None for never."""
        return self._written_at + LINE_EVERY if self._is_needed else None

    def line(self, at: float) -> str | None:
        """Return the line that is due now, if one is."""
        if not self._is_needed:
            return None
        ended = ended_in(self._states)
        is_tenth = (ended - self._ended) * LINES_PER_TASK >= len(self._states)
        if not is_tenth and at < self._written_at + LINE_EVERY:
            return None
        self._written_at, self._ended = at, ended
        return progress_line(self._states)
