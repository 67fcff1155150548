"""What becomes of the sessions when a task fails by something that is not theirs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse

from airflow_provider_canfar.hooks._task_instance import TaskInstanceId
from airflow_provider_canfar.operators import _airflow_api
from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator
from airflow_provider_canfar.skaha.errors import SessionFailed
from tests.fake_task import FakeTask
from tests.operators.test_headless import created, shown

if TYPE_CHECKING:
    from airflow_provider_canfar.testing import Emulator

Make = Callable[..., FakeTask]

API_AWAY = AirflowRuntimeError(
    ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail={"status_code": None, "message": "refused"})
)
DISK_FULL = OSError(28, "No space left on device")
NOT_JSON = TypeError("Object of type complex is not JSON serializable")


@pytest.fixture(name="task")
def _task(monkeypatch: pytest.MonkeyPatch) -> Make:
    # Only inside a worker does Airflow answer how a task stands.
    monkeypatch.setattr(TaskInstanceId, "state", lambda self: "running")
    monkeypatch.setattr(_airflow_api, "SILENCE_WAITED_OUT", 0.0)

    def make(*argv: str, **settings: Any) -> FakeTask:
        standard: dict[str, Any] = {
            "task_id": "stars",
            "image": "images.canfar.net/skaha/astroml:24.07",
            "command": list(argv),
            "replicas": 2,
            "poll_interval": 0.2,
        }
        return FakeTask(partial(CanfarHeadlessOperator, **(standard | settings)))

    return make


def fail_to_push(task: FakeTask, error: Exception) -> None:
    """Let every XCom push of a task fail."""

    def push(key: str, value: Any) -> None:
        raise error

    task.ti.xcom_push = push  # type: ignore[method-assign]  # Airflow's API does not take it.


def push_again(task: FakeTask) -> None:
    del task.ti.xcom_push


@pytest.mark.parametrize("deferrable", [True, False])
@pytest.mark.parametrize("error", [API_AWAY, DISK_FULL, NOT_JSON], ids=["api", "disk", "json"])
def test_the_sessions_run_on_and_the_retry_adopts_them(
    platform: Emulator, task: Make, error: Exception, *, deferrable: bool
) -> None:
    stars = task("sleep", "60", retries=1, deferrable=deferrable)
    fail_to_push(stars, error)
    with shown() as lines, pytest.raises(type(error)):
        stars.run()
    assert len(platform.live()) == 2
    assert any("left running: try 2 will adopt them" in line for line in lines)

    push_again(stars)
    stars.retry()
    stars.make = task("sleep", "60", retries=1, deferrable=True).make
    stars.defer()
    assert created(platform) == {"1": 1, "2": 1}
    stars.operator.on_kill()


@pytest.mark.parametrize("error", [API_AWAY, DISK_FULL, NOT_JSON], ids=["api", "disk", "json"])
def test_without_a_retry_to_follow_they_are_destroyed(
    platform: Emulator, task: Make, error: Exception
) -> None:
    stars = task("sleep", "60", deferrable=True)
    fail_to_push(stars, error)
    with pytest.raises(type(error)):
        stars.run()
    assert not platform.live()


def test_in_the_last_try_they_are_destroyed(platform: Emulator, task: Make) -> None:
    stars = task("sleep", "60", retries=1, deferrable=True)
    stars.retry()
    fail_to_push(stars, API_AWAY)
    with pytest.raises(AirflowRuntimeError):
        stars.run()
    assert not platform.live()


def test_after_a_wait_they_run_on_too(platform: Emulator, task: Make) -> None:
    stars = task("sleep", "60", retries=1, deferrable=True)
    deferred = stars.defer()
    fail_to_push(stars, API_AWAY)
    with pytest.raises(AirflowRuntimeError):
        stars.resume(deferred, {"reason": "the platform is about to forget sessions that have ended"})
    assert len(platform.live()) == 2
    stars.operator.on_kill()


def test_a_trigger_that_failed_leaves_them_to_the_retry(platform: Emulator, task: Make) -> None:
    stars = task("sleep", "60", retries=1, deferrable=True)
    stars.defer()
    with shown() as lines, pytest.raises(Exception, match="Trigger failure"):
        stars.operator.resume_execution("__fail__", {"error": "Trigger failure"}, stars.context)
    assert len(platform.live()) == 2
    assert any("the next try will adopt them" in line for line in lines)
    stars.operator.on_kill()


def test_a_trigger_that_no_triggerer_ran_in_time_does_not(platform: Emulator, task: Make) -> None:
    stars = task("sleep", "60", retries=1, deferrable=True)
    stars.defer()
    with pytest.raises(Exception, match="Trigger timeout"):
        stars.operator.resume_execution("__fail__", {"error": "Trigger timeout"}, stars.context)
    assert not platform.live()


def test_a_verdict_leaves_nothing_running_though_a_retry_follows(platform: Emulator, task: Make) -> None:
    stars = task(
        "sh", "-c", "test $REPLICA_ID = 2 && sleep 60; exit 1", retries=1, deferrable=False, fail_fast=True
    )
    with pytest.raises(SessionFailed):
        stars.run()
    assert not platform.live()


@pytest.mark.parametrize(("answers", "live"), [([True, False], 2), ([True, True], 0), ([False, False], 0)])
def test_a_kill_is_not_a_person_s_where_the_api_server_was_lost_meanwhile(
    platform: Emulator, task: Make, monkeypatch: pytest.MonkeyPatch, answers: list[bool], live: int
) -> None:
    """A supervisor sends the same SIGTERM when Airflow no longer answers its heartbeats."""
    remaining = iter(answers)
    monkeypatch.setattr(_airflow_api, "api_server_answers", lambda: next(remaining))
    stars = task("sleep", "60", retries=1, deferrable=True)
    stars.defer()
    stars.operator.on_kill()
    assert len(platform.live()) == live


def test_a_kill_of_the_last_try_is_a_kill(
    platform: Emulator, task: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_airflow_api, "api_server_answers", lambda: False)
    stars = task("sleep", "60", deferrable=True)
    stars.defer()
    stars.operator.on_kill()
    assert not platform.live()


def test_a_kill_while_the_api_server_is_away_is_a_kill(platform: Emulator, task: Make) -> None:
    stars = task("sleep", "60", retries=1, deferrable=True)

    def push(key: str, value: Any) -> None:
        stars.operator.on_kill()
        raise API_AWAY

    stars.ti.xcom_push = push  # type: ignore[method-assign]  # The kill comes in the middle of it.
    with shown() as lines, pytest.raises(AirflowRuntimeError):
        stars.run()
    assert not platform.live()
    assert not any("left running" in line for line in lines)
