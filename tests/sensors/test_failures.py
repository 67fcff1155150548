"""Which failures of a sensor skip, which fail it, and when it gives up, in each of its modes."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from structlog.testing import capture_logs

from airflow_provider_canfar.hooks._airflow_compat import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    TaskDeferred,
)
from airflow_provider_canfar.sensors.resources import CanfarResourceSensor
from airflow_provider_canfar.sensors.session import CanfarSessionSensor
from airflow_provider_canfar.skaha.client import SkahaClient
from airflow_provider_canfar.skaha.errors import AuthenticationError, Rejected
from tests.airflow_versions import IS_AIRFLOW_3_1, AirflowRescheduleException, TaskDeferralError
from tests.fake_task import FakeTask
from tests.on_emulator import event_of, launch

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context

    from airflow_provider_canfar.testing import Emulator

MODES = ["poke", "reschedule", None]


def sensor(
    mode: str | None, sensor_class: type[BaseOperator] = CanfarSessionSensor, **settings: Any
) -> FakeTask:
    """Make a sensor that polls often, with its templates rendered before each phase as Airflow does."""
    standard: dict[str, Any] = {"task_id": "wait", "poll_interval": 0.2, "timeout": 20}
    params = settings.pop("params", {})

    def make() -> BaseOperator:
        operator: Any = sensor_class(**(standard | {"mode": mode} | settings))
        operator.render_template_fields(cast("Context", {"params": params}))
        return cast("BaseOperator", operator)

    task = FakeTask(make)
    first_check = datetime.now(UTC)
    task.ti.get_first_reschedule_date = lambda context: first_check  # type: ignore[attr-defined]  # has none
    return task


def finish(task: FakeTask) -> Any:
    """Run a try to its end, in whatever mode."""
    while True:
        try:
            return task.run()
        except AirflowRescheduleException:
            time.sleep(0.2)
        except TaskDeferred as deferral:
            return task.resume(deferral, event_of(deferral.trigger))


def wait(mode: str | None, **settings: Any) -> Any:
    return finish(sensor(mode, **settings))


@pytest.fixture(name="platform", autouse=True)
def _platform(platform: Emulator, quick_triggers: None) -> Emulator:
    return platform


@pytest.fixture(name="mode", params=MODES, ids=["poke", "reschedule", "deferred"])
def _mode(request: pytest.FixtureRequest) -> str | None:
    mode: str | None = request.param
    return mode


def test_soft_fail_skips_when_the_condition_cannot_be_met_and_says_why(mode: str | None) -> None:
    launch("survey-1", "false")
    with pytest.raises(AirflowSkipException, match=r"soft_fail.*can no longer be met.*1 Failed"):
        wait(mode, prefix="survey-", soft_fail=True)


def test_a_failure_is_explained_in_errors_and_a_skip_is_not(mode: str | None) -> None:
    launch("survey-1", "false")
    for soft_fail, outcome in ((True, AirflowSkipException), (False, AirflowFailException)):
        with capture_logs() as entries, pytest.raises(outcome):
            wait(mode, prefix="survey-", soft_fail=soft_fail)
        lines = [str(one["event"]) for one in entries if one["log_level"] == "error"]
        assert bool(lines) is not soft_fail


def test_soft_fail_skips_when_the_timeout_has_passed_and_says_why(mode: str | None) -> None:
    launch("survey-1", "sleep", "60")
    with pytest.raises(AirflowSkipException, match=r"soft_fail.*Timed out after 1 s.*now: 1 Running"):
        wait(mode, prefix="survey-", soft_fail=True, timeout=1)


def test_a_timeout_says_what_it_waited_for(mode: str | None) -> None:
    with pytest.raises(AirflowSensorTimeout, match="Timed out after 1 s waiting for 9000 cores"):
        wait(mode, sensor_class=CanfarResourceSensor, cores=9000, timeout=1)


@pytest.mark.parametrize(
    "settings",
    [
        {"regex": "{{ params.given }}", "params": {"given": "["}},
        {"prefix": "{{ params.given }}", "params": {"given": ""}},
        {"prefix": "survey-", "at_least": "{{ params.given }}", "params": {"given": "many"}},
        {"sensor_class": CanfarResourceSensor, "cores": "{{ params.given }}", "params": {"given": "many"}},
        {"prefix": "survey-", "canfar_conn_id": "no_such_connection"},
    ],
    ids=["regex", "prefix", "at_least", "cores", "connection"],
)
@pytest.mark.parametrize("silent_fail", [False, True])
def test_a_mistake_fails_even_with_soft_fail(
    mode: str | None, settings: dict[str, Any], *, silent_fail: bool
) -> None:
    if silent_fail and "canfar_conn_id" in settings:
        pytest.skip("silent_fail goes on after such an error, as Airflow documents")
    if IS_AIRFLOW_3_1 and "canfar_conn_id" in settings:
        pytest.skip("Airflow 3.1 looks for a connection only in a task that a supervisor runs")
    with pytest.raises(AirflowException) as failure:
        wait(mode, **settings, soft_fail=True, silent_fail=silent_fail)
    assert not isinstance(failure.value, AirflowSkipException)


def test_a_stale_token_fails_even_with_soft_fail(mode: str | None, platform: Emulator) -> None:
    platform.rotate_token()
    with pytest.raises(AirflowFailException):
        wait(mode, prefix="survey-", soft_fail=True)


def test_a_token_that_expires_while_the_sensor_waits_fails_it(mode: str | None, platform: Emulator) -> None:
    launch("survey-1", "sleep", "60")
    timer = threading.Timer(1.5, platform.rotate_token)
    timer.start()
    with pytest.raises(AuthenticationError if mode is None else AirflowFailException):
        wait(mode, prefix="survey-", soft_fail=True)
    timer.join()


@pytest.mark.parametrize("after", [0, 2])
@pytest.mark.parametrize("sensor_class", [CanfarSessionSensor, CanfarResourceSensor])
def test_a_rejected_request_fails_it_also_in_mid_wait(
    mode: str | None, sensor_class: Any, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch("survey-1", "sleep", "60")
    answered: list[str] = []

    def reject_later(verb: str) -> None:
        original = getattr(SkahaClient, verb)

        async def call(self: SkahaClient, *args: Any, **kwargs: Any) -> Any:
            answered.append(verb)
            if len(answered) > after:
                raise Rejected("the platform rejects it", status=400)
            return await original(self, *args, **kwargs)

        monkeypatch.setattr(SkahaClient, verb, call)

    if mode is None and sensor_class is CanfarSessionSensor and after:
        pytest.skip("the shared poller does not use this verb; see tests/account_sessions")
    for verb in ("fetch", "stats"):
        reject_later(verb)
    chosen = {"prefix": "survey-"} if sensor_class is CanfarSessionSensor else {"cores": 9000}
    with pytest.raises(AirflowException, match="rejects it") as failure:
        wait(mode, sensor_class=sensor_class, soft_fail=True, **chosen)
    assert not isinstance(failure.value, AirflowSkipException)


def test_never_fail_skips_for_any_failure_and_says_why(mode: str | None) -> None:
    with pytest.raises(AirflowSkipException, match=r"never_fail.*Invalid prefix"):
        wait(mode, prefix="{{ params.given }}", params={"given": ""}, never_fail=True)


def test_never_fail_lets_a_sensor_wait_and_succeed(mode: str | None) -> None:
    launch("survey-1", "sleep", "1")
    assert len(wait(mode, prefix="survey-", never_fail=True)) == 1


def test_never_fail_treats_a_timeout_as_airflow_does(mode: str | None) -> None:
    """Airflow's sensors fail for a time-out in the worker, and skip for one while deferred."""
    launch("survey-1", "sleep", "60")
    expected = AirflowSkipException if mode is None else AirflowSensorTimeout
    with pytest.raises(expected):
        wait(mode, prefix="survey-", never_fail=True, timeout=1)


def test_the_flags_are_kept_for_whoever_reads_them_next(mode: str | None) -> None:
    launch("survey-1", "false")
    task = sensor(mode, prefix="survey-", soft_fail=True)
    with pytest.raises(AirflowSkipException):
        finish(task)
    assert cast("Any", task.operator).soft_fail is True


@pytest.mark.parametrize("soft_fail", [False, True])
def test_execution_timeout_ends_a_deferred_sensor_and_is_no_skip(*, soft_fail: bool) -> None:
    launch("survey-1", "sleep", "60")
    started = time.monotonic()
    with pytest.raises(AirflowTaskTimeout, match=r"execution_timeout of 1 s .* now: 1 Running"):
        wait(
            None,
            prefix="survey-",
            timeout=60,
            execution_timeout=timedelta(seconds=1),
            soft_fail=soft_fail,
        )
    assert time.monotonic() - started < 20


def test_the_earlier_of_the_two_deadlines_counts() -> None:
    launch("survey-1", "sleep", "60")
    with pytest.raises(AirflowSensorTimeout):
        wait(None, prefix="survey-", timeout=1, execution_timeout=timedelta(seconds=60))


def test_execution_timeout_ends_a_deferred_wait_for_capacity() -> None:
    with pytest.raises(AirflowTaskTimeout, match="9000 cores"):
        wait(
            None,
            sensor_class=CanfarResourceSensor,
            cores=9000,
            execution_timeout=timedelta(seconds=1),
        )


def end_by_airflow(task: FakeTask, error: str) -> None:
    """End a deferred task as Airflow's scheduler does."""
    task.operator = task.make()
    task.operator.resume_execution("__fail__", {"error": error, "traceback": None}, task.context)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"timeout": 5}, AirflowSensorTimeout),
        ({"timeout": 5, "soft_fail": True}, AirflowSkipException),
        ({"timeout": 60, "execution_timeout": timedelta(seconds=5)}, AirflowTaskTimeout),
        (
            {"timeout": 60, "execution_timeout": timedelta(seconds=5), "soft_fail": True},
            AirflowTaskTimeout,
        ),
    ],
)
def test_without_a_triggerer_the_deadline_that_has_passed_is_named(
    settings: dict[str, Any], expected: type[BaseException]
) -> None:
    task = sensor(None, prefix="survey-", **settings)
    deferral = task.defer()
    assert deferral.timeout is not None
    assert timedelta(seconds=600) < deferral.timeout < timedelta(seconds=606)
    with pytest.raises(expected, match=r"5 s .*all sessions whose names start with 'survey-'|the sessions"):
        end_by_airflow(task, "Trigger timeout")


@pytest.mark.parametrize("soft_fail", [False, True])
def test_a_trigger_that_fails_fails_the_task_and_is_retried(*, soft_fail: bool) -> None:
    task = sensor(None, prefix="survey-", soft_fail=soft_fail)
    task.defer()
    with pytest.raises(TaskDeferralError):
        end_by_airflow(task, "Trigger failure")


def test_a_trigger_that_fails_skips_with_never_fail() -> None:
    task = sensor(None, prefix="survey-", never_fail=True)
    task.defer()
    with pytest.raises(AirflowSkipException, match="Trigger failure"):
        end_by_airflow(task, "Trigger failure")


def deadline_of(task: FakeTask) -> float:
    deadline: float = cast("Any", task.defer().trigger).deadline
    return deadline


def test_a_retry_does_not_reset_the_timeout_of_a_deferred_sensor() -> None:
    """As in reschedule mode; a clear resets it."""
    task = sensor(None, prefix="survey-", timeout=600, retries=2)
    first = deadline_of(task)
    time.sleep(0.05)
    task.retry()
    assert deadline_of(task) == first
    task.clear()
    assert deadline_of(task) > first


def test_a_retry_after_the_timeout_checks_once_and_times_out() -> None:
    task = sensor(None, prefix="survey-", timeout=0.5, retries=2)
    with suppress(TaskDeferred, AirflowSensorTimeout):  # The first check alone may take longer.
        task.run()
    time.sleep(0.5)
    task.retry()
    with pytest.raises(AirflowSensorTimeout):
        task.run()


def test_where_airflow_does_not_remember_the_first_try_each_try_has_its_own_timeout() -> None:
    task = sensor(None, prefix="survey-", timeout=600, retries=2)
    task.store = None
    first = deadline_of(task)
    time.sleep(0.05)
    task.retry()
    assert deadline_of(task) > first


def test_each_try_has_its_own_execution_timeout() -> None:
    task = sensor(None, prefix="survey-", execution_timeout=timedelta(seconds=5), timeout=600, retries=2)
    first = deadline_of(task)
    time.sleep(0.05)
    task.retry()
    assert deadline_of(task) > first


def test_airflow_tasks_test_has_no_try_before_it() -> None:
    """It gives try number 0, again and again."""
    task = sensor(None, prefix="survey-", timeout=600, retries=2)
    task.ti.try_number = 0
    first = deadline_of(task)
    time.sleep(0.05)
    assert deadline_of(task) > first
