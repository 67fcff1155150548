"""What a deferral carries to the next phase, and for how long Airflow itself waits."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_canfar.hooks._task_instance import TaskInstanceId

#: Seconds after our own deadline at which Airflow's scheduler ends the wait, should no triggerer be alive.
BACKSTOP = 600.0

_carried: dict[TaskInstanceId, dict[str, Any]] = {}


def carry(task_instance: TaskInstanceId, carried: dict[str, Any]) -> dict[str, Any]:
    """Return what the next phase needs, and remember it: ``dag.test()`` resumes in the same process."""
    _carried[task_instance] = dict(carried)
    return carried


def carried_here(task_instance: TaskInstanceId) -> dict[str, Any]:
    """Return what a deferral of this process has carried; nothing where another one deferred."""
    return _carried.pop(task_instance, {})


def airflow_timeout(deadline: float | None) -> timedelta | None:
    """Return for how long Airflow lets the trigger wait, which keeps the deadline itself.

    :param deadline: seconds since the epoch; None: no deadline.
    """
    return None if deadline is None else timedelta(seconds=max(0.0, deadline - time.time()) + BACKSTOP)
