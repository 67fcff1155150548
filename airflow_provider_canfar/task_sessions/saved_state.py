"""What a task saves over retries and clears, when the platform has long forgotten it.

Airflow clears a task's XComs before a retry, and the platform forgets a session an hour after its end. What
has succeeded is kept in Airflow's task state store, which Airflow has since 3.3 and which outlives both. With
an older Airflow nothing is saved, and a retry knows what the platform still lists (``plan.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, Self

from airflow_provider_canfar.task_sessions.batch import Batch, Outcome

#: The entry in the task state store. One row per task instance, which a clear leaves alone.
ENTRY = "canfar_task"


class Store(Protocol):
    """The part of Airflow's task state store that is used here."""

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of an entry."""

    def set(self, key: str, value: Any) -> None:
        """Write the value of an entry."""


@dataclass(frozen=True, slots=True)
class SavedState:
    """What was known when it was last saved.

    :param key: the key in the names of the task's sessions. It is kept because it is made of the run's start,
        which Airflow resets when a task of a finished run is cleared.
    :param epoch: the epoch that the successes belong to.
    :param replicas: how many there were.
    :param successes: replica -> how it succeeded.
    :param first_try: the first try with this number of replicas.
    :param result_key: what the nonces of results are made with; empty in what an older release has saved.
    """

    key: str
    epoch: int
    replicas: int
    successes: Mapping[int, Outcome] = field(default_factory=dict)
    first_try: int = 0
    result_key: str = field(default="", repr=False)

    @property
    def is_complete(self) -> bool:
        """Whether every replica had succeeded."""
        return len(self.successes) >= self.replicas

    def apply_to(self, batch: Batch, *, resume: bool) -> Batch:
        """Return a new try's batch with what earlier tries have saved.

        With another number of replicas, each has another share of the work, and no earlier outcome counts:
        neither a saved one, nor one that the platform still lists.

        :param resume: whether what had succeeded before a clear stays so, when something had failed. A task
            that had succeeded as a whole is cleared to run as a whole.
        """
        is_retry = batch.identity.epoch == self.epoch
        if batch.replicas != self.replicas:
            return replace(batch, first_try=batch.try_number) if is_retry else batch
        if is_retry:
            return replace(batch, outcomes=dict(self.successes), first_try=self.first_try)
        return batch.record(self.successes.values()) if resume and not self.is_complete else batch

    @classmethod
    def from_batch(cls, batch: Batch) -> Self:
        """Take what to save out of a batch."""
        successes = {replica: one for replica, one in batch.outcomes.items() if one.succeeded}
        identity = batch.identity
        return cls(
            identity.key, identity.epoch, batch.replicas, successes, batch.first_try, identity.result_key
        )

    @classmethod
    def load(cls, store: Store | None, entry: str = ENTRY) -> Self | None:
        """Read what the task has saved, in whatever try or epoch; None where it has saved nothing."""
        data = store.get(entry) if store is not None else None
        if not isinstance(data, Mapping):
            return None
        successes = {one.replica: one for one in (Outcome(*row) for row in data["successes"])}
        return cls(
            data["key"],
            data["epoch"],
            data["replicas"],
            successes,
            data.get("first_try", 0),
            data.get("result_key", ""),
        )

    def save(self, store: Store | None, entry: str = ENTRY) -> None:
        """Save it as JSON, small enough for a thousand replicas."""
        if store is not None:
            rows = [[getattr(one, name) for name in Outcome.__slots__] for one in self.successes.values()]
            store.set(
                entry,
                {
                    "key": self.key,
                    "epoch": self.epoch,
                    "replicas": self.replicas,
                    "successes": rows,
                    "first_try": self.first_try,
                    "result_key": self.result_key,
                },
            )
