"""The session sensor on the emulator, in each of its modes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import pytest

from airflow_provider_canfar.hooks._airflow_compat import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)
from airflow_provider_canfar.hooks.canfar import CanfarHook
from airflow_provider_canfar.sensors.session import CanfarSessionSensor
from airflow_provider_canfar.skaha.errors import AuthenticationError
from tests.airflow_versions import AirflowRescheduleException
from tests.fake_task import FakeTask
from tests.on_emulator import event_of, launch, shown, wait_until

if TYPE_CHECKING:
    from airflow_provider_canfar.testing import Emulator

Sessions = list[dict[str, Any]]


def sensor(*, as_rendered: Mapping[str, Any] | None = None, **settings: Any) -> FakeTask:
    """Make a sensor that polls often.

    :param as_rendered: what arguments have after templates have been rendered, in place of ``settings``.
    """
    standard: dict[str, Any] = {"task_id": "wait", "poll_interval": 0.2, "timeout": 20}

    def make() -> CanfarSessionSensor:
        operator = CanfarSessionSensor(**(standard | settings))
        vars(operator).update(as_rendered or {})
        return operator

    task = FakeTask(make)
    # Airflow's own task instance knows when a rescheduled sensor first ran.
    task.ti.get_first_reschedule_date = lambda context: None  # type: ignore[attr-defined]  # FakeTask's has none
    return task


def poked(**settings: Any) -> Sessions:
    """Wait in the worker."""
    return cast("Sessions", sensor(mode="poke", **settings).run())


def rescheduled(*, has_store: bool = True, **settings: Any) -> Sessions:
    """Wait as a rescheduled sensor does: each check is made by another operator instance."""
    task = sensor(mode="reschedule", **settings)
    if not has_store:
        task.store = None
    while True:
        try:
            return cast("Sessions", task.run())
        except AirflowRescheduleException:
            continue


def deferred(**settings: Any) -> Sessions:
    """Wait in the triggerer."""
    task = sensor(**settings)
    try:
        return cast("Sessions", task.run())
    except TaskDeferred as deferral:
        return cast("Sessions", task.resume(deferral, event_of(deferral.trigger)))


@pytest.fixture(
    name="wait",
    params=[poked, rescheduled, partial(rescheduled, has_store=False), deferred],
    ids=["poke", "reschedule", "reschedule before 3.3", "deferrable"],
)
def _wait(
    request: pytest.FixtureRequest, platform: Emulator, quick_triggers: None
) -> Callable[..., Sessions]:
    """Wait in each of the modes."""
    wait: Callable[..., Sessions] = request.param
    return wait


Wait = Callable[..., Sessions]


def test_it_waits_for_ids_and_returns_their_sessions(wait: Wait) -> None:
    ids = [launch("survey-1", "sleep", "1"), launch("survey-2", "true")]
    sessions = wait(ids=ids)
    assert {row["session_id"]: row["status"] for row in sessions} == dict.fromkeys(ids, "Completed")
    assert {row["name"] for row in sessions} == {"survey-1", "survey-2"}


def test_it_waits_for_sessions_by_prefix(wait: Wait) -> None:
    launch("other", "sleep", "60")
    launch("survey-1", "sleep", "1")
    assert [row["name"] for row in wait(prefix="survey-")] == ["survey-1"]


def test_sessions_of_an_earlier_run_do_not_count(wait: Wait) -> None:
    wait_until(launch("survey-1", "true"), "Completed")
    # The platform's times have whole seconds.
    run_after = datetime.now(UTC) + timedelta(seconds=1)
    timer = threading.Timer(2.0, lambda: launch("survey-2", "true"))
    timer.start()
    sessions = wait(prefix="survey-", started_after=run_after)
    timer.join()
    assert [row["name"] for row in sessions] == ["survey-2"]


def test_it_waits_until_few_sessions_are_left(wait: Wait) -> None:
    ids = [launch(f"survey-{number}", "sleep", "60") for number in (1, 2, 3)]
    launch("inspect", kind="notebook")
    launch("done", "true")
    wait_until(ids[2], "Running")
    timer = threading.Timer(1.0, lambda: CanfarHook().destroy(ids[:2]))
    timer.start()
    sessions = wait(kind="headless", status=["Pending", "Running"], at_most=1)
    timer.join()
    assert [row["session_id"] for row in sessions] == [ids[2]]


def test_no_session_at_all_is_at_most_none(wait: Wait) -> None:
    assert wait(at_most=0) == []


def test_by_ids_a_session_that_is_gone_is_not_left(wait: Wait, platform: Emulator) -> None:
    session_id = launch("survey-1", "sleep", "60")
    timer = threading.Timer(1.0, lambda: platform.vanish(session_id))
    timer.start()
    assert wait(ids=[session_id], at_most=0) == []
    timer.join()


@pytest.mark.parametrize("in_worker", [True, False])
def test_it_times_out_while_too_many_are_left(
    platform: Emulator, quick_triggers: None, *, in_worker: bool
) -> None:
    wait = poked if in_worker else deferred
    launch("survey-1", "sleep", "60")
    with pytest.raises(AirflowSensorTimeout, match=r"at most 0 of .*'survey-'.* to be Pending or Running"):
        wait(prefix="survey-", at_most=0, timeout=1)


def test_an_expression_that_would_backtrack_for_hours_holds_nothing(wait: Wait) -> None:
    launch("a" * 50 + "-0", "true")
    launch("b", "true")
    assert [row["name"] for row in wait(regex="(a+)+b$|^b$")] == ["b"]


def test_it_waits_until_a_first_session_is_launched(wait: Wait) -> None:
    timer = threading.Timer(1.0, lambda: launch("survey-1", "true"))
    timer.start()
    assert len(wait(prefix="survey-")) == 1
    timer.join()


def test_it_fails_when_one_of_all_sessions_has_failed(wait: Wait) -> None:
    launch("survey-1", "sleep", "60")
    launch("survey-2", "false")
    with pytest.raises(AirflowFailException, match=r"The condition can no longer be met\..*1 Failed"):
        wait(prefix="survey-")


def test_a_session_that_is_gone_is_not_a_success(wait: Wait, platform: Emulator) -> None:
    session_id = launch("survey-1", "true")
    wait_until(session_id, "Completed")
    platform.vanish(session_id)
    with pytest.raises(AirflowFailException, match="1 Gone"):
        wait(ids=session_id)


def test_it_can_wait_for_a_session_to_be_gone(wait: Wait, platform: Emulator) -> None:
    """A notebook ends when its owner destroys it."""
    session_id = launch("a-notebook", kind="notebook")
    timer = threading.Timer(1.0, lambda: CanfarHook().destroy(session_id))
    timer.start()
    assert [row["status"] for row in wait(ids=session_id, status="Gone")] == ["Gone"]
    timer.join()


def test_soft_fail_skips(wait: Wait) -> None:
    launch("survey-1", "false")
    with pytest.raises(AirflowSkipException):
        wait(prefix="survey-", soft_fail=True)


def test_it_times_out(wait: Wait) -> None:
    launch("survey-1", "sleep", "60")
    with pytest.raises((AirflowSensorTimeout, AirflowException)):
        wait(prefix="survey-", timeout=0)


def test_with_at_least_1_any_session_is_enough(wait: Wait) -> None:
    launch("survey-1", "sleep", "60")
    launch("survey-2", "true")
    assert "Completed" in {row["status"] for row in wait(prefix="survey-", at_least=1)}


def test_with_at_least_other_sessions_may_fail(wait: Wait) -> None:
    ids = [launch("survey-1", "false"), launch("survey-2", "sleep", "1")]
    assert len(wait(ids=ids, at_least=1)) == 2


def test_it_fails_when_too_few_sessions_are_left(wait: Wait) -> None:
    ids = [launch("survey-1", "false"), launch("survey-2", "sleep", "60")]
    with pytest.raises(AirflowFailException):
        wait(ids=ids, at_least=2)


def test_one_session_in_a_status_to_fail_on_fails_it(wait: Wait) -> None:
    ids = [launch("survey-1", "true"), launch("survey-2", "false")]
    for session_id, status in zip(ids, ["Completed", "Failed"], strict=True):
        wait_until(session_id, status)
    with pytest.raises(AirflowFailException):
        wait(ids=ids, at_least=1, fail_on="Failed")


def test_it_can_wait_for_several_statuses(wait: Wait) -> None:
    ids = [launch("survey-1", "true"), launch("survey-2", "false")]
    assert {row["status"] for row in wait(ids=ids, status=["Succeeded", "Error"])} == {"Completed", "Failed"}


def test_a_completed_session_meets_running(wait: Wait) -> None:
    ids = [launch("survey-1", "sleep", "60"), launch("survey-2", "true")]
    assert len(wait(ids=ids, status="Running")) == 2


def test_it_waits_only_for_sessions_of_the_kind(wait: Wait) -> None:
    launch("survey-1", "false")
    launch("survey-2", kind="notebook")
    assert [row["kind"] for row in wait(prefix="survey-", kind="notebook", status="Running")] == ["notebook"]


def test_it_keeps_waiting_during_an_outage(wait: Wait, platform: Emulator) -> None:
    session_id = launch("survey-1", "sleep", "1")
    platform.faults(outage={"mode": "busy", "retry_after": 0})
    timer = threading.Timer(2.0, platform.clear_faults)
    timer.start()
    assert len(wait(ids=session_id)) == 1
    timer.join()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"ids": []}, r"Invalid ids \[\]"),
        ({"at_least": 2}, "Invalid at_least 2"),
        ({"status": []}, r"Invalid status \[\]"),
        ({"status": "Failed", "fail_on": "Error"}, "Invalid fail_on"),
        ({"ids": None, "prefix": "a", "kind": "desktop-app"}, "does not list"),
    ],
)
@pytest.mark.parametrize("mode", [poked, deferred])
def test_a_condition_that_can_never_be_met_fails_before_any_request(
    platform: Emulator, mode: Wait, settings: dict[str, Any], reason: str
) -> None:
    platform.forget_requests()
    with pytest.raises(AirflowFailException, match=reason):
        mode(as_rendered=settings, ids="k3v9x2qa")
    assert platform.requests() == {}


def test_a_condition_that_is_met_already_needs_no_triggerer(platform: Emulator) -> None:
    session_id = launch("survey-1", "true")
    wait_until(session_id, "Completed")
    assert len(sensor(ids=session_id).run()) == 1


def test_it_defers_unless_a_mode_is_given() -> None:
    assert CanfarSessionSensor(task_id="wait", prefix="a").deferrable
    assert not CanfarSessionSensor(task_id="wait", prefix="a", mode="reschedule").deferrable
    assert CanfarSessionSensor(task_id="wait", prefix="a", mode="poke", deferrable=True).deferrable


def test_poke_interval_is_the_same_as_poll_interval() -> None:
    wait = CanfarSessionSensor(task_id="wait", prefix="a", poke_interval=timedelta(seconds=7))
    assert wait.poke_interval == 7.0


def test_its_own_deadline_passes_before_airflow_s(platform: Emulator, quick_triggers: None) -> None:
    """Its error has the sessions' statuses; Airflow's does not."""
    launch("survey-1", "sleep", "60")
    task = sensor(prefix="survey-", timeout=1)
    deferral = task.defer()
    assert deferral.timeout is not None
    assert deferral.timeout > timedelta(seconds=60)
    with pytest.raises(AirflowSensorTimeout, match="to be Completed; now: 1 Running"):
        task.resume(deferral, event_of(deferral.trigger))


def test_a_refused_credential_fails_it_and_a_retry_checks_again(
    platform: Emulator, quick_triggers: None
) -> None:
    launch("survey-1", "sleep", "60")
    task = sensor(prefix="survey-")
    deferral = task.defer()
    platform.rotate_token()
    event = event_of(deferral.trigger)
    assert event["is_credential"]
    assert platform.token not in str(event)
    with pytest.raises(AuthenticationError, match="failed with status 401") as failure:
        task.resume(deferral, event)
    assert failure.value.retryable
    (note,) = failure.value.__notes__
    assert note.endswith("A retry of this sensor checks again.")


def test_a_retry_ignores_what_the_try_before_has_observed(platform: Emulator) -> None:
    """A person who has launched failed sessions again expects the retry to wait for them."""
    task = sensor(prefix="survey-", mode="reschedule")
    gone = launch("survey-1", "sleep", "60")
    with pytest.raises(AirflowRescheduleException):
        task.run()
    CanfarHook().destroy(gone)
    with pytest.raises(AirflowFailException):
        task.run()
    task.retry()
    launch("survey-2", "true")
    wait_until(launch("survey-3", "true"), "Completed")
    assert {row["name"] for row in task.run()} == {"survey-2", "survey-3"}


def test_changes_are_logged(platform: Emulator) -> None:
    launch("survey-1", "sleep", "1")
    with shown() as lines:
        poked(prefix="survey-")
    changes = [line for line in lines if line.startswith("survey-1 ")]
    assert changes[-1].endswith("Running → Completed")


def test_the_selection_is_templated() -> None:
    wait = CanfarSessionSensor(task_id="wait", prefix="{{ a }}", kind="{{ b }}", status="{{ c }}")
    wait.render_template_fields(cast("Any", {"a": "x-", "b": "carta", "c": "Running"}))
    assert (wait.prefix, wait.kind, wait.status) == ("x-", "carta", "Running")
