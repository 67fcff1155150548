"""Which sessions a DAG run has launched: the keys in their names, from what Airflow knows of the run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import Context


def keys_of_this_run(context: Context) -> tuple[str, ...]:
    """Return the keys in the names of the sessions that this DAG run has launched.

    A key is a hash of what Airflow says about a task instance of the run. If a task was cleared after its run
    had ended, Airflow's data no longer give the key of its earlier sessions; its XCom has their names.
    """
    # A worker has loaded this module already; parsing a DAG file must not.
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    from airflow_provider_canfar.skaha.naming import SessionName, key_of

    ti, run_started = context["ti"], context["dag_run"].start_date
    task_ids = sorted(context["dag"].task_ids)
    states = RuntimeTaskInstance.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id])
    keys = {
        key_of(
            dag_id=ti.dag_id,
            task_id=task_id,
            run_id=ti.run_id,
            map_index=map_index,
            run_started=run_started,
        )
        for task_id in task_ids
        for map_index in map_indexes(task_id, states.get(ti.run_id, {}))
    }
    pushed = ti.xcom_pull(task_ids=task_ids, key="sessions")
    names = [SessionName.parse(name) for name in names_in(pushed)]
    return tuple(sorted(keys | {name.task_key for name in names if name is not None}))


def names_in(pushed: Any) -> Iterator[str]:
    """Yield the names of sessions in the XComs ``sessions`` of a run.

    Any task may push an XCom of that key: what does not have the shape of this provider's is ignored.

    >>> list(names_in([None, "seven", [7], [{"session_id": "k3v9x2qa", "name": "stars-1"}]]))
    ['stars-1']

    :param pushed: a list with the XCom of each task; None if there is none.
    """
    for rows in _list(pushed):
        for row in _list(rows):
            if isinstance(row, Mapping) and all(
                isinstance(row.get(key), str) for key in ("session_id", "name")
            ):
                yield row["name"]


def map_indexes(task_id: str, names: Iterable[str]) -> list[int]:
    """Return the map indexes that a task may have; -1 is that of a task that is not mapped.

    >>> map_indexes("stars", ["stars_0", "stars_1", "stars_of_m13", "tidy"])
    [-1, 0, 1]

    :param names: the names of a run's task instances; Airflow appends the index to that of a mapped one.
    """
    indexes = (name.removeprefix(f"{task_id}_") for name in names if name.startswith(f"{task_id}_"))
    return [-1, *sorted(int(index) for index in indexes if index.isdecimal())]


def _list(value: Any) -> Iterable[Any]:
    """Return a list, or one that Airflow reads lazily; an empty one for anything else."""
    return value if isinstance(value, Sequence) and not isinstance(value, str | bytes) else ()
