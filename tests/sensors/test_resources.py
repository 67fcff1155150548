"""The resource sensor on the emulator, in each of its modes."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_canfar.hooks._airflow_compat import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    TaskDeferred,
)
from airflow_provider_canfar.hooks.canfar import CanfarHook
from airflow_provider_canfar.sensors.resources import CanfarResourceSensor
from airflow_provider_canfar.skaha.errors import SpecError
from tests.fake_task import FakeTask
from tests.on_emulator import IMAGE, event_of, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_canfar.testing import Emulator


def sensor(**settings: Any) -> FakeTask:
    """Make a sensor that polls often."""
    standard: dict[str, Any] = {"task_id": "room", "poll_interval": 0.2, "timeout": 20}
    return FakeTask(partial(CanfarResourceSensor, **(standard | settings)))


def poked(**settings: Any) -> Any:
    """Wait in the worker."""
    return sensor(mode="poke", **settings).run()


def deferred(**settings: Any) -> Any:
    """Wait in the triggerer."""
    task = sensor(**settings)
    try:
        return task.run()
    except TaskDeferred as deferral:
        return task.resume(deferral, event_of(deferral.trigger))


@pytest.fixture(name="wait", params=[poked, deferred])
def _wait(request: pytest.FixtureRequest, platform: Emulator, quick_triggers: None) -> Callable[..., Any]:
    """Wait in each of the modes."""
    wait: Callable[..., Any] = request.param
    return wait


def occupy() -> tuple[float, str]:
    """Launch a session with cores, and return how many were free before, and its id."""
    free = CanfarHook().stats().free.cores or 0.0
    (session_id,) = CanfarHook().create(name="big", image=IMAGE, command=["sleep", "60"], cores=2, ram=4)
    return free, session_id


def test_it_returns_what_is_free(wait: Callable[..., Any]) -> None:
    free = CanfarHook().stats().free
    assert wait(cores=1, ram="1") == {"cores": free.cores, "ram": free.ram, "gpus": None}


def test_it_waits_for_gpus_where_the_platform_reports_them(
    wait: Callable[..., Any], platform: Emulator
) -> None:
    platform.configure(gpus=4)
    (session_id,) = CanfarHook().create(name="train", image=IMAGE, command=["sleep", "60"], gpus=3)
    wait_until(session_id, "Running")
    assert wait(gpus=1)["gpus"] == 1
    timer = threading.Timer(1.0, lambda: CanfarHook().destroy(session_id))
    timer.start()
    assert wait(gpus=4)["gpus"] == 4
    timer.join()


def test_it_fails_where_the_platform_reports_no_gpus(wait: Callable[..., Any]) -> None:
    with pytest.raises(AirflowFailException, match=r"does not report free gpus.*Leave gpus out"):
        wait(gpus=1)


def test_it_fails_in_the_triggerer_too_if_the_platform_first_answers_there(
    platform: Emulator, quick_triggers: None
) -> None:
    task = sensor(gpus=1)
    platform.faults(outage={"mode": "busy", "retry_after": 0})
    with pytest.raises(TaskDeferred) as deferral:
        task.run()
    platform.clear_faults()
    with pytest.raises(AirflowException, match="does not report free gpus"):
        task.resume(deferral.value, event_of(deferral.value.trigger))


def test_it_waits_until_a_session_has_ended(wait: Callable[..., Any]) -> None:
    free, session_id = occupy()
    timer = threading.Timer(1.0, lambda: CanfarHook().destroy(session_id))
    timer.start()
    assert wait(cores=free)["cores"] == free
    timer.join()


def test_it_times_out(wait: Callable[..., Any]) -> None:
    free, _ = occupy()
    with pytest.raises(AirflowSensorTimeout):
        wait(cores=free, timeout=1)


def test_it_keeps_waiting_during_an_outage(wait: Callable[..., Any], platform: Emulator) -> None:
    platform.faults(outage={"mode": "busy", "retry_after": 0})
    timer = threading.Timer(1.0, platform.clear_faults)
    timer.start()
    assert wait(cores=1)
    timer.join()


@pytest.mark.parametrize(
    "settings",
    [
        {"cores": "{{ none }}"},
        {"cores": "{{ 0 }}"},
        {"cores": "{{ 'many' }}"},
        {"ram": "{{ -1 }}"},
        {"gpus": "{{ -1 }}"},
    ],
)
def test_an_invalid_amount_fails_before_any_request(platform: Emulator, settings: dict[str, Any]) -> None:
    platform.forget_requests()
    with pytest.raises(AirflowFailException, match="Invalid"):
        sensor(**settings).run()
    assert platform.requests() == {}


@pytest.mark.parametrize("settings", [{}, {"cores": None}, {"cores": 0, "ram": "0"}])
def test_a_wait_for_nothing_fails_when_the_dag_file_is_parsed(settings: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match="one must be above 0") as error:
        CanfarResourceSensor(task_id="room", **settings)
    assert error.value.__notes__ == ["In the task 'room'."]


@pytest.mark.parametrize(
    "settings", [{"cores": -1}, {"ram": "much"}, {"cores": True}, {"ram": float("nan")}, {"gpus": -1}]
)
def test_an_invalid_literal_fails_when_the_dag_file_is_parsed(settings: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=f"Invalid {next(iter(settings))}"):
        sensor(**settings)


@pytest.mark.parametrize("nothing", ["", "None", " ", None])
def test_an_amount_that_renders_to_nothing_is_left_out(
    platform: Emulator, quick_triggers: None, nothing: str | None
) -> None:
    assert poked(cores=nothing, ram="1")
