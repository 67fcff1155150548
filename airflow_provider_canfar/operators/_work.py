"""Which work of a task instance an operator does, where a task executes more than one operator by itself.

Airflow runs one operator per task instance. People also execute others inside it, in a ``@task`` say::

    @task
    def survey(**context):
        for field in ("north", "south"):
            CanfarHeadlessOperator(task_id=f"image_{field}", ...).execute(context)

Each of these is work of its own: with its own sessions, its own saved state and XComs. Airflow can resume and
kill only the operator that it runs, so the others wait in the worker and are killed with it.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context

    from airflow_provider_canfar.skaha.naming import Identity
    from airflow_provider_canfar.task_sessions.saved_state import SavedState

#: Where the operator that Airflow runs counts what it has executed. Airflow makes a new one for each try.
_EXECUTED = "_canfar_executed"


@dataclass(frozen=True, slots=True)
class Work:
    """One execute of an operator.

    :param name: tells it from other work of the task instance; None where it is the task itself.
    :param running: the operator that Airflow runs.
    :param is_nested: whether that is another operator, which executes this one.
    """

    name: str | None
    running: Any
    is_nested: bool

    def key(self, key: str) -> str:
        """Return the key under which this work pushes an XCom, or saves its state.

        >>> Work("image_north", None, True).key("sessions"), Work(None, None, False).key("sessions")
        ('sessions_image_north', 'sessions')
        """
        return key if self.name is None else f"{key}_{self.name}"


def outer_task(operator: BaseOperator, context: Context) -> BaseOperator | None:
    """Return the task that executes an operator by itself; None where Airflow runs the operator."""
    running: BaseOperator | None = getattr(context["ti"], "task", None)
    return None if running is operator else running


def own_work(operator: BaseOperator) -> Work:
    """Return the work that is the task itself."""
    return Work(None, operator, is_nested=False)


def next_work(operator: BaseOperator, context: Context) -> Work:
    """Return what an operator is about to do; a second execute in one task instance is other work.

    A retry executes the same operators in the same order, and so finds its own again.
    """
    outer = outer_task(operator, context)
    executed: Counter[str] = (outer or operator).__dict__.setdefault(_EXECUTED, Counter())
    number = executed[operator.task_id]
    executed[operator.task_id] += 1
    if outer is None and number == 0:
        return own_work(operator)
    name = f"{operator.task_id}_{number + 1}" if number else operator.task_id
    return Work(name, outer or operator, is_nested=outer is not None)


def identity_of(
    operator: BaseOperator, name: str | None, context: Context, work: Work, saved: SavedState | None
) -> Identity:
    """Say which work of which task instance this is, in the names of its sessions.

    :param name: the author's name for the sessions.
    :param saved: what an earlier try has saved, whose key stays the same.
    """
    from airflow_provider_canfar.skaha.naming import Identity, epoch_of, key_of, result_key_of, stem_of

    ti = context["ti"]
    instance: dict[str, Any] = {
        "dag_id": ti.dag_id,
        "task_id": ti.task_id,
        "run_id": ti.run_id,
        "map_index": -1 if ti.map_index is None else ti.map_index,
        "run_started": context["dag_run"].start_date,
    }
    if saved is not None:
        key, result_key = saved.key, saved.result_key
    else:
        key = key_of(**instance, work=work.name)
        # A random one is only good if later tries, which may adopt the sessions of this one, know it. And
        # earlier tries that could save nothing have derived theirs.
        can_save = context.get("task_state_store") is not None and (ti.try_number or 0) <= 1
        result_key = secrets.token_hex(16) if can_save else result_key_of(**instance)
    # Both are of the task that Airflow runs, which a nested operator knows nothing of.
    epoch = epoch_of(ti.max_tries or 0, getattr(work.running, "retries", None) or 0)
    return Identity(stem_of(name, operator.task_id), key, epoch, result_key)


@contextmanager
def killed_with(running: BaseOperator, operator: BaseOperator) -> Iterator[None]:
    """Let a kill of the operator that Airflow runs reach the one that it executes."""
    on_kill = running.on_kill

    def kill_both() -> None:
        operator.on_kill()
        on_kill()

    running.on_kill = kill_both  # type: ignore[method-assign]  # Airflow's signal handler calls this one.
    try:
        yield
    finally:
        running.on_kill = on_kill  # type: ignore[method-assign]  # As it was.
