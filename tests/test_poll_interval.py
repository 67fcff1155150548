"""How often the platform is looked at, unless an author says otherwise."""

from __future__ import annotations

from inspect import signature
from typing import Any

import pytest

from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator
from airflow_provider_canfar.operators.interactive import CanfarInteractiveOperator
from airflow_provider_canfar.sensors._base import CanfarBaseSensor
from airflow_provider_canfar.sensors.resources import CanfarResourceSensor
from airflow_provider_canfar.sensors.session import CanfarSessionSensor
from airflow_provider_canfar.triggers.asset import CanfarSessionEventTrigger
from airflow_provider_canfar.triggers.sensors import CanfarResourceSensorTrigger, CanfarSessionSensorTrigger
from airflow_provider_canfar.triggers.session import CanfarSessionTrigger


@pytest.mark.parametrize(
    "block",
    [
        CanfarHeadlessOperator,
        CanfarInteractiveOperator,
        CanfarBaseSensor,
        CanfarSessionTrigger,
        CanfarSessionSensorTrigger,
        CanfarResourceSensorTrigger,
        CanfarSessionEventTrigger,
    ],
)
def test_it_is_looked_at_every_fifteen_seconds(block: type[Any]) -> None:
    assert signature(block.__init__).parameters["poll_interval"].default == 15.0


def test_a_sensor_pokes_every_fifteen_seconds() -> None:
    assert CanfarSessionSensor(task_id="wait", prefix="survey-").poke_interval == 15.0
    assert CanfarResourceSensor(task_id="room", cores=1).poke_interval == 15.0
