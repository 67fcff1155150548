"""How many sessions a task may have at once, and how many of them may fail. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.errors import SpecError

if TYPE_CHECKING:
    from airflow_provider_canfar.task_sessions.account_limit import AccountLimit


#: So many sessions of one task are alive at once, whatever its limit: their ids are in the trigger's
#: arguments, and these in a TEXT, which is 64 kB on MySQL.
MOST_ALIVE = 4000


@dataclass(frozen=True, slots=True)
class Limits:
    """How many replicas may run at once, and how many may fail.

    :param max_active: None for :data:`MOST_ALIVE`.
    :param account: how many sessions the account may have, too; None for no limit of ours.
    :param fail_fast: destroy running sessions as soon as more than ``max_failed`` have failed. Otherwise no
        more are launched from then on, and running ones may finish.
    :raises SpecError: for limits within which no task could succeed.
    """

    max_active: int | None = None
    max_failed: int = 0
    fail_fast: bool = False
    account: AccountLimit | None = None

    def __post_init__(self) -> None:
        if self.max_active is not None and self.max_active < 1:
            raise SpecError(
                f"Invalid max_active_replicas {self.max_active}: must be 1 or more. Omit it for the most, "
                f"{MOST_ALIVE:,}."
            )
        if self.max_failed < 0:
            raise SpecError(f"Invalid max_failed_replicas {self.max_failed}: must be 0 or more.")

    @property
    def most_alive(self) -> int:
        """How many sessions of the task may be alive at once."""
        return MOST_ALIVE if self.max_active is None else min(self.max_active, MOST_ALIVE)
