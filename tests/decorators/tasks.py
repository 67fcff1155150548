"""Tasks of decorated functions, run as Airflow runs them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_canfar.decorators import canfar_task
from airflow_provider_canfar.hooks._airflow_compat import TaskDeferred
from tests.airflow_versions import serialize
from tests.fake_task import FakeTask
from tests.on_emulator import IMAGE, event_of

if TYPE_CHECKING:
    from airflow_provider_canfar.testing import Emulator


def task_of(decorator: Any, function: Callable[..., Any], *args: Any, **settings: Any) -> FakeTask:
    """Make a task from a function and its arguments; it waits in the worker and polls often."""
    standard = {"image": IMAGE, "deferrable": False, "poll_interval": 0.2, "task_id": "stars"}
    decorated = decorator(**(standard | settings))(function)
    return FakeTask(lambda: operator_of(decorated(*args)))


def task(function: Callable[..., Any], *args: Any, **settings: Any) -> FakeTask:
    """Make a task from a function that runs in sessions."""
    return task_of(canfar_task, function, *args, **settings)


def operator_of(output: Any) -> Any:
    """Return the operator of a decorated function's call in a DAG file."""
    return output.operator


def created(platform: Emulator) -> Counter[str]:
    """Count the sessions that each replica has ever had."""
    return Counter(session["replica_id"] for session in platform.all_sessions())


def defer_again(stars: FakeTask, deferred: TaskDeferred) -> TaskDeferred:
    """Resume a task that defers again, and check that Airflow can serialize what it passes on."""
    with pytest.raises(TaskDeferred) as caught:
        stars.resume(deferred, event_of(deferred.trigger))
    assert serialize(caught.value.kwargs)
    return caught.value
