"""An error of a DAG file names its task, and shows the file's line among the last two calls."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from airflow_provider_canfar.decorators.headless import canfar_cmd_task, canfar_task
from airflow_provider_canfar.operators._in_task import in_task
from airflow_provider_canfar.operators.cleanup import CanfarCleanupOperator, sessions_of_this_run
from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator
from airflow_provider_canfar.operators.interactive import CanfarInteractiveOperator
from airflow_provider_canfar.sensors.resources import CanfarResourceSensor
from airflow_provider_canfar.sensors.session import CanfarSessionSensor
from airflow_provider_canfar.skaha.errors import SpecError
from tests.tracebacks import calls_of_ours

IMAGE = "images.canfar.net/skaha/astroml:24.07"

headless = partial(CanfarHeadlessOperator, image=IMAGE)
interactive = partial(CanfarInteractiveOperator, image=IMAGE)


def stars() -> list[str]:
    """Do what a decorated function may."""
    return ["true"]


def decorated(decorator: Any, **kwargs: Any) -> Any:
    """Make a task of the function."""
    return decorator(**kwargs)(stars)


#: What makes a task, and an argument that it does not take, or not with this value.
WRONG = [
    *((make, name) for make in (headless, interactive) for name in ("ram", "nonsense", "deferrable")),
    *((CanfarHeadlessOperator.partial, name) for name in ("ram", "nonsense")),
    *((CanfarCleanupOperator, name) for name in ("kind", "older_than", "allow_all", "nonsense")),
    (sessions_of_this_run, "kind"),
    *((CanfarCleanupOperator.partial, name) for name in ("kind", "settle_time", "dry_run", "nonsense")),
    *((CanfarSessionSensor, name) for name in ("kind", "at_least", "at_most", "deferrable", "nonsense")),
    *((CanfarResourceSensor, name) for name in ("cores", "poll_interval", "poke_interval", "nonsense")),
    *((CanfarSessionSensor.partial, name) for name in ("status", "at_most", "started_after", "nonsense")),
    *((CanfarResourceSensor.partial, name) for name in ("gpus", "nonsense")),
    *(
        (partial(decorated, decorator), name)
        for decorator in (canfar_task, canfar_cmd_task)
        for name in ("ram", "cmd", "nonsense")
    ),
]


@pytest.mark.parametrize(("make", "name"), WRONG)
def test_a_wrong_argument_names_the_task(make: Callable[..., Any], name: str) -> None:
    with pytest.raises((SpecError, TypeError), match=name) as error:
        make(task_id="stars", **{name: "wrong"})
    assert error.value.__notes__ == ["In the task 'stars'."]
    assert calls_of_ours(error.value) == []
    # So many of them are on Airflow's page, by default.
    assert __file__ in [call.filename for call in traceback.extract_tb(error.value.__traceback__)[-2:]]


@pytest.mark.parametrize("decorator", [canfar_task, canfar_cmd_task])
def test_the_task_of_a_function_has_its_name(decorator: Any) -> None:
    for make in (partial(decorated, decorator), decorated(decorator).override):
        with pytest.raises(SpecError) as error:
            make(image=IMAGE, ram="wrong")
        assert error.value.__notes__ == ["In the task 'stars'."]


def test_what_airflow_refuses_names_the_task_too() -> None:
    with pytest.raises(Exception, match="timeout") as error:
        CanfarSessionSensor(task_id="wait", prefix="survey-", timeout=-1)
    assert error.value.__notes__ == ["In the task 'wait'."]


def test_ctrl_c_has_no_note() -> None:
    with pytest.raises(KeyboardInterrupt) as interrupt, in_task("stars"):
        raise KeyboardInterrupt
    assert not hasattr(interrupt.value, "__notes__")
