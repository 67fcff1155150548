"""A connection that cannot be used is named, with what to do, wherever it is read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from structlog.testing import capture_logs

from airflow_provider_canfar.fs.arc import get_fs
from airflow_provider_canfar.hooks._airflow_compat import AirflowException
from airflow_provider_canfar.hooks.canfar import CanfarHook
from airflow_provider_canfar.operators.cleanup import CanfarCleanupOperator
from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator
from airflow_provider_canfar.operators.interactive import CanfarInteractiveOperator
from airflow_provider_canfar.sensors.resources import CanfarResourceSensor
from airflow_provider_canfar.sensors.session import CanfarSessionSensor
from airflow_provider_canfar.skaha.errors import SpecError
from airflow_provider_canfar.triggers.sensors import CanfarResourceSensorTrigger
from tests.airflow_versions import IS_AIRFLOW_3_1
from tests.fake_task import FakeTask
from tests.on_emulator import event_of, quick_triggers
from tests.tracebacks import calls_of_ours

__all__ = ["quick_triggers"]


IMAGE = "images.canfar.net/skaha/astroml:24.07"

UNDEFINED = (
    "The connection 'canfar_defualt' is not defined. Create it under Admin > Connections in Airflow, or set "
    "the environment variable AIRFLOW_CONN_CANFAR_DEFUALT where the task runs. A script outside of "
    "a task sees only the variable. See https://github.com/canfar/airflow-provider-canfar/blob/main/docs/connection.md"
)

pytestmark = pytest.mark.skipif(
    IS_AIRFLOW_3_1, reason="Airflow 3.1 looks for a connection only in a task that a supervisor runs"
)


async def read(hook: CanfarHook) -> None:
    async with hook.client():
        pass


def in_blocking_code(conn_id: str) -> None:
    CanfarHook(conn_id).stats()


def on_an_event_loop(conn_id: str) -> None:
    asyncio.run(read(CanfarHook(conn_id)))


def in_a_file_system(conn_id: str) -> None:
    get_fs(conn_id).ls("/home/jdoe")


ANYWHERE = pytest.mark.parametrize("use", [in_blocking_code, on_an_event_loop, in_a_file_system])


@ANYWHERE
def test_one_that_is_not_defined_is_named_with_how_to_define_it(use: Callable[[str], None]) -> None:
    with pytest.raises(AirflowException) as error:
        use("canfar_defualt")
    assert type(error.value).__name__ == "AirflowNotFoundException"
    assert str(error.value) == UNDEFINED
    assert error.value.__suppress_context__


@ANYWHERE
def test_one_that_airflow_cannot_parse_is_not_called_undefined(
    use: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SITE", '{"conn_type": "canfar", "password": "canary"')
    with pytest.raises(AirflowException, match="Airflow cannot read the connection 'site'") as error:
        use("site")
    assert "Make AIRFLOW_CONN_SITE JSON or a URI" in str(error.value)
    assert "canary" not in str(error.value)


@ANYWHERE
def test_one_with_a_wrong_field_is_named_too(
    use: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SITE", '{"conn_type": "canfar", "password": "a-token", "port": 443}')
    with pytest.raises(SpecError, match=r"Invalid port: .* This is in the connection 'site'\."):
        use("site")


@pytest.mark.parametrize(
    "make",
    [
        partial(CanfarHeadlessOperator, image=IMAGE, command=["true"]),
        partial(CanfarInteractiveOperator, image=IMAGE),
        partial(CanfarCleanupOperator, prefix="survey-"),
        partial(CanfarSessionSensor, prefix="survey-"),
        partial(CanfarResourceSensor, cores=1),
    ],
)
def test_a_task_s_log_has_one_message_and_no_call_of_ours(make: Callable[..., Any]) -> None:
    task = FakeTask(partial(make, task_id="stars", canfar_conn_id="canfar_defualt"))
    with capture_logs() as entries, pytest.raises(AirflowException) as error:
        task.operator.execute(task.context)
    lines = [
        str(entry["event"]) % entry.get("positional_args", ())
        for entry in entries
        if entry["log_level"] == "error"
    ]
    assert " ".join(lines) == UNDEFINED
    assert str(error.value) == "The connection 'canfar_defualt' is not defined."
    assert calls_of_ours(error.value) == []


@pytest.mark.usefixtures("quick_triggers")
def test_a_sensor_s_trigger_hands_the_message_to_its_task() -> None:
    trigger = CanfarResourceSensorTrigger(
        canfar_conn_id="canfar_defualt", condition={"cores": 1.0, "ram": 0.0, "gpus": 0.0}, poll_interval=0.2
    )
    assert event_of(trigger) == {"refused": UNDEFINED}
