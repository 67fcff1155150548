"""A task instance, and its state in Airflow."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class TaskInstanceId:
    """The identity of a task instance; JSON, as a trigger's arguments are.

    :param map_index: -1 for a task that is not mapped.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1

    @classmethod
    def of(cls, ti: Any) -> Self:
        """Return the identity of what Airflow has as ``context["ti"]``."""
        return cls(ti.dag_id, ti.run_id, ti.task_id, -1 if ti.map_index is None else ti.map_index)

    def to_json(self) -> dict[str, Any]:
        """Return it as a trigger's argument."""
        return asdict(self)

    def state(self) -> str | None:
        """Fetch the task instance's state from Airflow; None if it has none or is unknown.

        A blocking call, for a worker, or for a thread of the triggerer.
        """
        # A worker has loaded this module already; parsing a DAG file must not load it.
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
    """Find one state in Airflow's response.

    >>> state_in({"run": {"stars_3": "deferred"}}, "run", "stars_3")
    'deferred'
    """
    state = states.get(run_id, {}).get(name)
    return None if state is None else str(getattr(state, "value", state))
