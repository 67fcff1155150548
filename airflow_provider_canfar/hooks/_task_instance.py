"""Asking Airflow how a task instance stands."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TaskInstanceId:
    """Which task instance; JSON, as a trigger's arguments are.

    :param map_index: -1 for a task that is not mapped.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1

    def to_json(self) -> dict[str, Any]:
        """Write it as a trigger's argument."""
        return asdict(self)

    def state(self) -> str | None:
        """Ask Airflow for the task instance's state; None when it has none or cannot be told.

        A blocking call, for a worker, or for a thread of the triggerer's.
        """
        # Where a task runs this module is loaded already; where a DAG file is parsed it must not be.
        from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

        states = RuntimeTaskInstance.get_task_states(
            dag_id=self.dag_id,
            task_ids=[self.task_id],
            run_ids=[self.run_id],
            map_index=None if self.map_index < 0 else self.map_index,
        )
        # A mapped task instance is listed with its index appended.
        name = self.task_id if self.map_index < 0 else f"{self.task_id}_{self.map_index}"
        return state_in(states, self.run_id, name)


def state_in(states: dict[str, Any], run_id: str, name: str) -> str | None:
    """Read one state out of Airflow's answer.

    >>> state_in({"run": {"stars_3": "deferred"}}, "run", "stars_3")
    'deferred'
    """
    state = states.get(run_id, {}).get(name)
    return None if state is None else str(getattr(state, "value", state))
