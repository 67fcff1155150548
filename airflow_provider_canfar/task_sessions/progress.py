"""How far a task's replicas are: a line for its log, the XCom `progress`, and when to write each. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_canfar.task_sessions.batch_states import states_of
from airflow_provider_canfar.task_sessions.packed import pack, unpack
from airflow_provider_canfar.task_sessions.replica_states import ReplicaState, ReplicaStates, run_lengths

if TYPE_CHECKING:
    from airflow_provider_canfar.task_sessions.batch import Batch

#: Seconds between two lines in which nothing much has happened.
LINE_EVERY = 60.0

#: Seconds between two writes of the XCom, at least.
XCOM_EVERY = 15.0

#: A write that had to wait comes at a multiple of this many seconds: one timer then serves all tasks.
XCOM_TICK = 5.0

#: There is no expected end before this part of a try's replicas has ended.
EXPECTED_AFTER = 0.1

#: A line follows whenever this part of all replicas has ended since the last one.
LINES_PER_TASK = 10


def progress_line(states: ReplicaStates) -> str:
    """Say in one line how far all replicas are.

    >>> from airflow_provider_canfar.task_sessions.replica_states import ReplicaStates
    >>> progress_line(ReplicaStates("ssfrrrp."))
    '3 of 8 done, 3 running, 2 waiting, 1 failed'
    """
    counts = states.counts()
    waiting = counts[ReplicaState.WAITING] + counts[ReplicaState.PENDING]
    return (
        f"{states.ended:,} of {len(states):,} done, {counts[ReplicaState.RUNNING]:,} running, "
        f"{waiting:,} waiting, {counts[ReplicaState.FAILED]:,} failed"
    )


def progress_of(batch: Batch) -> str | None:
    """Return the line of a step of the worker; None where it would say nothing new."""
    states = ReplicaStates(states_of(batch))
    return progress_line(states) if len(states) > 1 and states.ended else None


class ProgressLog:
    """When the task's log gets a line about its progress: after each tenth, and each minute.

    A task with one replica needs none: the log has each change of its session.

    :param states: what is known of the replicas; it changes from outside.
    :param since: when the last line was written, in seconds since the epoch.
    """

    def __init__(self, states: ReplicaStates, since: float) -> None:
        self._states = states
        self._written_at = since
        self._ended = states.ended
        self._is_needed = len(states) > 1

    def wake_at(self) -> float | None:
        """Return when the next line is due if nothing happens; None for never."""
        return self._written_at + LINE_EVERY if self._is_needed else None

    def line(self, at: float) -> str | None:
        """Return the line that is due now, if one is."""
        if not self._is_needed:
            return None
        ended = self._states.ended
        is_tenth = (ended - self._ended) * LINES_PER_TASK >= len(self._states)
        if not is_tenth and at < self._written_at + LINE_EVERY:
            return None
        self._written_at, self._ended = at, ended
        return progress_line(self._states)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a try is, as the XCom ``progress`` says it.

    :param states: one letter for each replica, in order (:mod:`.replica_states`).
    :param since: when the try's first session was launched or adopted, in seconds since the epoch.
    :param kept: how many replicas had succeeded before the try: they say nothing about its pace.
    """

    states: str = ""
    since: float = 0.0
    kept: int = 0
    try_number: int = 0

    @classmethod
    def of(cls, batch: Batch, now: float) -> Self:
        """Return how far a task is as its worker knows it."""
        since = now if batch.since is None else batch.since
        return cls(states_of(batch), round(since, 3), batch.kept, batch.try_number)

    def to_json(self) -> dict[str, Any]:
        """Write it as part of a trigger's argument."""
        data = asdict(self)
        return data | {"packed_states": pack(data.pop("states"))}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read it back; what another release wrote may lack something, or have more."""
        known = {name: value for name, value in data.items() if name in cls.__slots__}
        packed = data.get("packed_states")
        return cls(**known if packed is None else known | {"states": unpack(packed)})

    def xcom(self, states: ReplicaStates, now: float) -> dict[str, Any]:
        """Write the XCom, by the states that a wait has seen.

        :param now: seconds since the epoch.
        """
        counts = states.counts()
        ended = states.ended - self.kept
        pace = ended / (now - self.since) if ended > 0 and now > self.since else None
        left = len(states) - self.kept - ended
        is_expected = pace and left and ended >= EXPECTED_AFTER * (ended + left)
        return {
            "version": 1,
            "replicas": len(states),
            "counts": {state.name.lower(): count for state, count in counts.items()},
            "since": self.since,
            "updated": round(now, 3),
            "pace_per_hour": round(3600 * pace, 2) if pace else None,
            "expected_end": round(now + left / pace, 3) if pace and is_expected else None,
            "map": run_lengths(str(states)),
            "try_number": self.try_number,
        }


def progress_xcom(batch: Batch, now: float) -> dict[str, Any]:
    """Return the XCom that a step of the worker writes."""
    progress = Progress.of(batch, now)
    return progress.xcom(ReplicaStates(progress.states), now)


#: Writes the XCom, not before the first argument, in seconds since the epoch. The second returns what there
#: is to write by then, or None; its own argument is when that is.
WriteProgress = Callable[[float, Callable[[float], dict[str, Any] | None]], None]


class ProgressWrites:
    """When the XCom ``progress`` is written while a task waits: when it has changed, and not too often.

    It is built once it is written, and a task is not woken for it.

    :param progress: what the worker wrote before the wait.
    :param states: what is known of the replicas; it changes from outside.
    :param since: when that was, in seconds since the epoch.
    """

    def __init__(self, progress: Progress, states: ReplicaStates, since: float) -> None:
        #: None where nothing can write.
        self.write: WriteProgress | None = None
        self._progress = progress
        self._states = states
        self._written = progress.states
        self._next_at = _tick_after(since + XCOM_EVERY)
        self._is_requested = False

    def request(self) -> None:
        """Let be written what has changed, as soon as it is time to."""
        if self.write is None or self._is_requested or str(self._states) == self._written:
            return
        self._is_requested = True
        self.write(self._next_at, self._take)

    def _take(self, at: float) -> dict[str, Any] | None:
        """Return what to write now: the last state, or None where that has been written."""
        self._is_requested, states = False, str(self._states)
        if states == self._written:
            return None
        self._written, self._next_at = states, _tick_after(at + XCOM_EVERY)
        return self._progress.xcom(self._states, at)


def _tick_after(at: float) -> float:
    return math.ceil(at / XCOM_TICK) * XCOM_TICK
