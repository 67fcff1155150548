"""Whether a task defers where its DAG does not say so."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_canfar.operators._deferrable import VARIABLE
from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator
from airflow_provider_canfar.operators.interactive import CanfarInteractiveOperator
from airflow_provider_canfar.sensors.resources import CanfarResourceSensor
from airflow_provider_canfar.sensors.session import CanfarSessionSensor
from airflow_provider_canfar.skaha.errors import SpecError

IMAGE = "images.canfar.net/skaha/astroml:24.07"


def tasks(**arguments: Any) -> list[Any]:
    return [
        CanfarHeadlessOperator(task_id="a", image=IMAGE, command=["true"], **arguments),
        CanfarInteractiveOperator(task_id="a", image=IMAGE, **arguments),
        CanfarSessionSensor(task_id="a", prefix="survey-", **arguments),
        CanfarResourceSensor(task_id="a", cores=2, **arguments),
    ]


@pytest.mark.parametrize(
    ("variable", "expected"), [(None, True), ("True", True), ("False", False), ("0", False)]
)
def test_tasks_defer_unless_airflow_is_set_otherwise(
    variable: str | None, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if variable is not None:
        monkeypatch.setenv(VARIABLE, variable)
    assert {task.deferrable for task in tasks()} == {expected}
    assert {task.deferrable for task in tasks(deferrable=True)} == {True}
    assert {task.deferrable for task in tasks(deferrable=False)} == {False}


def test_a_setting_that_is_no_flag_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "perhaps")
    with pytest.raises(SpecError, match=f"Invalid {VARIABLE} 'perhaps'"):
        tasks()


def test_a_sensor_with_a_mode_does_not_defer() -> None:
    assert not CanfarSessionSensor(task_id="a", prefix="survey-", mode="reschedule").deferrable
