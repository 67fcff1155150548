"""Tasks that launch sessions and do not wait for them, on the emulator."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_canfar.decorators import canfar_cmd_task, canfar_task
from airflow_provider_canfar.hooks._airflow_compat import AirflowFailException, TaskDeferred
from airflow_provider_canfar.hooks._task_instance import TaskInstanceId
from airflow_provider_canfar.operators._phase_errors import Killed
from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator
from airflow_provider_canfar.operators.interactive import CanfarInteractiveOperator
from airflow_provider_canfar.sensors.session import CanfarSessionSensor
from airflow_provider_canfar.skaha.errors import SessionFailed, SpecError
from airflow_provider_canfar.task_sessions.lost_creates import LostCreates
from airflow_provider_canfar.triggers.session import CanfarSessionTrigger
from dev.waiting import wait_until
from tests.fake_task import FakeTask
from tests.on_emulator import IMAGE, die_after_the_launch, run, shown

if TYPE_CHECKING:
    from airflow_provider_canfar.testing import Emulator

Make = Callable[..., FakeTask]


@pytest.fixture(name="task")
def _task(platform: Emulator, quick_triggers: None, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Make a task that does not wait for its sessions."""
    monkeypatch.setattr(TaskInstanceId, "state", lambda self: "running")

    def make(*argv: str, **settings: Any) -> FakeTask:
        standard: dict[str, Any] = {
            "task_id": "stars",
            "image": IMAGE,
            "command": list(argv),
            "poll_interval": 0.2,
            "wait_for_completion": False,
        }
        return FakeTask(partial(CanfarHeadlessOperator, **(standard | settings)))

    return make


def created(platform: Emulator) -> Counter[str]:
    """Count the sessions that were ever created for each replica."""
    return Counter(session["replica_id"] for session in platform.all_sessions())


def test_it_ends_when_its_sessions_have_been_launched_and_returns_them(
    platform: Emulator, task: Make
) -> None:
    stars = task("sleep", "60", replicas=3)
    with shown() as lines:
        sessions = stars.run()
    assert sessions == stars.ti.xcoms["sessions"]
    assert [(one["replica"], one["status"], one["succeeded"]) for one in sessions] == [
        (replica, None, None) for replica in (1, 2, 3)
    ]
    assert {one["session_id"] for one in sessions} == {one["id"] for one in platform.live()}
    assert "Leaving the sessions running, as wait_for_completion is False." in lines


def test_a_sensor_takes_what_it_returns_and_waits_for_the_sessions(platform: Emulator, task: Make) -> None:
    sessions = run(task("sleep", "1", replicas=2))
    wait = FakeTask(partial(CanfarSessionSensor, task_id="wait", ids=sessions, poll_interval=0.2, timeout=20))
    seen = run(wait)
    assert [(one["session_id"], one["status"]) for one in seen] == [
        (one["session_id"], "Completed") for one in sessions
    ]


def test_how_its_sessions_end_is_not_its_business(platform: Emulator, task: Make) -> None:
    assert len(run(task("false", replicas=3))) == 3
    wait_until(lambda: not platform.live(), description="all to have ended", timeout=20)
    assert created(platform) == {"1": 1, "2": 1, "3": 1}


@pytest.mark.parametrize("deferrable", [True, False])
def test_it_waits_until_queued_replicas_have_been_launched_too(
    platform: Emulator, task: Make, monkeypatch: pytest.MonkeyPatch, *, deferrable: bool
) -> None:
    monkeypatch.setattr("airflow_provider_canfar.task_sessions.task_wait.SLOT_DELAY", 0.2)
    script = "sleep $((REPLICA_ID == 5 ? 60 : 0))"
    stars = task("sh", "-c", script, replicas=5, max_active_replicas=2, deferrable=deferrable)
    sessions = run(stars)
    assert [one["replica"] for one in sessions] == [1, 2, 3, 4, 5]
    assert created(platform) == {str(replica): 1 for replica in range(1, 6)}
    assert [one["id"] for one in platform.live()] == [sessions[4]["session_id"]]


def test_too_many_failures_before_the_last_launch_fail_it(platform: Emulator, task: Make) -> None:
    with pytest.raises(SessionFailed):
        run(task("false", replicas=3, max_active_replicas=1, deferrable=False))
    assert created(platform) == {"1": 1}


def test_a_create_whose_response_is_lost_is_resolved_before_it_ends(
    platform: Emulator, task: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_canfar.task_sessions.lost_creates.LIST_EVERY", 0.2)
    platform.faults(drop_after={"method": "POST", "path": "/session$", "count": 2})
    sessions = run(task("sleep", "60", replicas=3))
    assert created(platform) == {"1": 1, "2": 1, "3": 1}
    assert {one["session_id"] for one in sessions} == {one["id"] for one in platform.live()}


def test_a_create_that_never_arrived_is_sent_again(
    platform: Emulator, task: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_canfar.task_sessions.lost_creates.LIST_EVERY", 0.2)
    monkeypatch.setattr(LostCreates, "_wait_after", lambda self, error: 0.5)
    platform.faults(drop_before={"method": "POST", "path": "/session$", "count": 2})
    sessions = run(task("sleep", "60", replicas=3))
    assert [one["replica"] for one in sessions] == [1, 2, 3]
    assert created(platform) == {"1": 1, "2": 1, "3": 1}


def test_a_busy_platform_delays_it(platform: Emulator, task: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_canfar.task_sessions.launcher.BUSY_WAIT", 0.5)
    monkeypatch.setattr("airflow_provider_canfar.task_sessions.lost_creates.NO_JOB_WAIT", 0.1)
    monkeypatch.setattr("airflow_provider_canfar.task_sessions.lost_creates.LIST_EVERY", 0.1)
    platform.faults(too_many_requests={"method": "POST", "count": 2, "retry_after": 0})
    assert len(run(task("sleep", "60", replicas=3))) == 3
    assert created(platform) == {"1": 1, "2": 1, "3": 1}


def test_a_retry_adopts_what_is_alive(
    platform: Emulator, task: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    stars = task("sleep", "60", replicas=2, retries=1)

    die_after_the_launch(stars, monkeypatch)
    before = {one["id"] for one in platform.live()}
    stars.retry()
    assert {one["session_id"] for one in run(stars)} == before
    assert created(platform) == {"1": 1, "2": 1}


def test_a_retry_returns_what_has_succeeded_in_an_earlier_try_too(
    platform: Emulator, task: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    stars = task("sh", "-c", "sleep $((REPLICA_ID == 1 ? 0 : 60))", replicas=2, retries=1)
    run(stars)
    wait_until(lambda: len(platform.live()) == 1, description="replica 1 to have ended", timeout=20)
    stars.retry()
    sessions = run(stars)
    assert [(one["replica"], one["succeeded"]) for one in sessions] == [(1, True), (2, None)]
    assert created(platform) == {"1": 1, "2": 1}


def test_a_clear_destroys_what_is_alive_and_launches_again(platform: Emulator, task: Make) -> None:
    stars = task("sleep", "60", replicas=2)
    before = run(stars)
    stars.clear()
    after = run(stars)
    assert {one["id"] for one in platform.live()} == {one["session_id"] for one in after}
    assert not {one["session_id"] for one in before} & {one["session_id"] for one in after}


def test_a_late_kill_destroys_nothing(platform: Emulator, task: Make) -> None:
    """Airflow may stop the worker when the task has ended already."""
    stars = task("sleep", "60", replicas=2)
    stars.run()
    stars.operator.on_kill()
    assert len(platform.live()) == 2


def held(task: Make, **settings: Any) -> tuple[FakeTask, TaskDeferred]:
    """Return a task that is deferred until the last of its replicas can be launched."""
    stars = task("sleep", "60", replicas=2, max_active_replicas=1, **settings)
    return stars, stars.defer()


@pytest.mark.parametrize(("state", "live"), [("success", 1), ("failed", 0), ("deferred", 1)])
def test_a_triggerer_that_has_lost_the_task_destroys_sessions_only_if_the_task_has_failed(
    platform: Emulator, task: Make, monkeypatch: pytest.MonkeyPatch, state: str, live: int
) -> None:
    """Meanwhile the task may have been resumed elsewhere, and have succeeded: its sessions outlive it."""
    _, deferred = held(task)
    assert isinstance(deferred.trigger, CanfarSessionTrigger)
    monkeypatch.setattr(TaskInstanceId, "state", lambda self: state)
    asyncio.run(deferred.trigger.on_kill())
    assert len(platform.live()) == live


def test_the_session_of_an_interactive_task_outlives_its_success_too(
    platform: Emulator, quick_triggers: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TaskInstanceId, "state", lambda self: "running")
    platform.configure(start_delay=60)
    inspect = FakeTask(partial(CanfarInteractiveOperator, task_id="inspect", image=IMAGE, poll_interval=0.2))
    deferred = inspect.defer()
    assert isinstance(deferred.trigger, CanfarSessionTrigger)
    monkeypatch.setattr(TaskInstanceId, "state", lambda self: "success")
    asyncio.run(deferred.trigger.on_kill())
    assert len(platform.live()) == 1
    monkeypatch.setattr(TaskInstanceId, "state", lambda self: "failed")
    deferred.trigger._destroying = None
    asyncio.run(deferred.trigger.on_kill())
    assert not platform.live()


def test_a_kill_while_replicas_are_queued_destroys_the_others(platform: Emulator, task: Make) -> None:
    stars, _ = held(task)
    stars.operator.on_kill()
    assert not platform.live()


def test_a_kill_while_it_launches_leaves_nothing(
    platform: Emulator, task: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    stars, _ = held(task)
    monkeypatch.setattr(TaskInstanceId, "state", lambda self: "failed")
    with pytest.raises(Killed):
        stars.run()
    assert not platform.live()


def test_what_becomes_of_ended_sessions_is_refused_as_it_does_not_see_them_end(
    platform: Emulator, task: Make
) -> None:
    with pytest.raises(SpecError, match=r"on_finish_action 'destroy' with wait_for_completion=False"):
        task("true", on_finish_action="destroy")
    rendered = task("true", on_finish_action="destroy", wait_for_completion="{{ false }}")
    rendered.make.keywords["wait_for_completion"] = True  # type: ignore[attr-defined]  # a partial has keywords
    operator = rendered.make()
    operator.wait_for_completion = "False"  # As Airflow renders it.
    platform.forget_requests()
    with pytest.raises(AirflowFailException, match="on_finish_action 'destroy'"):
        operator.execute(rendered.context)
    assert not platform.requests()


def operator_of(output: Any) -> Any:
    """Return the operator of a decorated task."""
    return output.operator


def test_a_command_s_decorator_need_not_wait(platform: Emulator, task: Make) -> None:
    @canfar_cmd_task(task_id="stars", image=IMAGE, wait_for_completion=False)
    def command() -> list[str]:
        return ["sleep", "60"]

    stars = FakeTask(lambda: operator_of(command()))
    assert [one["session_id"] for one in run(stars)] == [one["id"] for one in platform.live()]


def test_a_function_s_decorator_must_wait() -> None:
    with pytest.raises(SpecError, match=r"Invalid wait_for_completion False: @task.canfar returns"):

        @canfar_task(image=IMAGE, wait_for_completion=False)
        def measure() -> int:
            return 1

    @canfar_task(image=IMAGE, wait_for_completion=True)
    def other() -> int:
        return 1

    assert operator_of(other()).wait_for_completion is True


def test_another_word_for_it_is_suggested() -> None:
    with pytest.raises(TypeError, match="Did you mean 'wait_for_completion'"):
        CanfarHeadlessOperator(task_id="stars", image=IMAGE, command=["true"], wait=False)  # type: ignore[call-arg]  # Misspelt on purpose.
