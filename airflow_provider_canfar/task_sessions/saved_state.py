"""What a task keeps over retries and clears, when the platform has long forgotten it. Pure.

The platform forgets a session an hour after its end. Where the journal (``journal.py``) outlives a try, the
next one keeps what has succeeded. Elsewhere, a retry knows what the platform still lists (``plan.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_canfar.task_sessions.batch import Batch, Outcome


@dataclass(frozen=True, slots=True)
class SavedState:
    """What was known when it was last saved.

    :param key: the key in the names of the task's sessions. It is kept because it is made of the run's start,
        which Airflow resets when a task of a finished run is cleared.
    :param epoch: the epoch that the successes belong to.
    :param replicas: how many there were.
    :param successes: replica -> how it succeeded.
    :param first_try: the first try with this number of replicas.
    :param result_key: what the nonces of results are made with.
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
