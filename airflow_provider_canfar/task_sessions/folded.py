"""The replicas that earlier phases have settled, in a letter each: all that a wake decides by. Pure.

A task of ten thousand replicas is woken two thousand times. So most phases know no more of a settled replica
than whether it has succeeded; the journal has the rest, for the last one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from airflow_provider_canfar.task_sessions.packed import pack, unpack
from airflow_provider_canfar.task_sessions.replica_states import ReplicaState


@dataclass(frozen=True, slots=True)
class Folded:
    """The settled replicas of a try whose outcomes its batch does not hold.

    :param states: a letter for each replica, in order (:mod:`.replica_states`); empty where the batch holds
        all outcomes.
    :param since: when the try's first session was launched or adopted, in seconds since the epoch.
    :param kept: how many of them had succeeded before the try.
    """

    states: str = ""
    since: float | None = None
    kept: int = 0

    def state(self, replica: int) -> str:
        """Return the letter of a replica."""
        return self.states[replica - 1 : replica] or ReplicaState.WAITING

    @property
    def succeeded(self) -> int:
        """How many have succeeded."""
        return self.states.count(ReplicaState.SUCCEEDED)

    @property
    def failed(self) -> int:
        """How many have failed in this try."""
        return self.states.count(ReplicaState.FAILED)

    def to_json(self) -> dict[str, Any]:
        """Write it as part of the journal's entry."""
        return {"states": pack(self.states), "since": self.since, "kept": self.kept}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read it back."""
        return cls(unpack(data["states"]), data["since"], data["kept"])


#: Of a batch that holds all outcomes.
UNFOLDED = Folded()
