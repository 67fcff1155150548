"""What a deferral carries to the next phase of a task, and when it must be over."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_canfar.hooks._task_instance import TaskInstanceId
    from airflow_provider_canfar.operators._task_runner import TaskRunner

#: Seconds after our own deadline at which Airflow's scheduler ends the wait, should no triggerer be alive.
BACKSTOP = 600.0

#: What the deferrals of this process have carried, by task instance: dag.test() resumes in the same process.
_carried: dict[TaskInstanceId, dict[str, Any]] = {}


def carry(task_instance: TaskInstanceId, runner: TaskRunner, deadline: float | None) -> dict[str, Any]:
    """Return the arguments of the next phase; JSON that does not grow with the number of replicas.

    :param deadline: seconds since the epoch; None: no deadline.
    """
    carried = {"batch": runner.batch.to_json(), "deadline": deadline, **runner.carried()}
    _carried[task_instance] = dict(carried)
    return carried


def carried_in_process(task_instance: TaskInstanceId) -> dict[str, Any]:
    """Return what this process has carried for a task instance, once."""
    return _carried.pop(task_instance, {})


def deadline_of(execution_timeout: timedelta | None) -> float | None:
    """Return when a try that begins now must be over: Airflow ignores the limit while a task is deferred."""
    return time.time() + execution_timeout.total_seconds() if execution_timeout else None


def backstop_of(deadline: float | None) -> timedelta | None:
    """Return Airflow's time limit of the wait: the trigger keeps the deadline itself."""
    if deadline is None:
        return None
    return timedelta(seconds=max(0.0, deadline - time.time()) + BACKSTOP)
