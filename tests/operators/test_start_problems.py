"""Sessions whose image cannot be pulled, on the emulator: for tasks that defer or wait in the worker."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, cast

import pytest

from airflow_provider_canfar.hooks._airflow_compat import AirflowFailException, TaskDeferred
from airflow_provider_canfar.hooks._task_instance import TaskInstanceId
from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator
from airflow_provider_canfar.operators.interactive import CanfarInteractiveOperator
from airflow_provider_canfar.skaha.errors import SessionFailed, SessionNeverStarted
from airflow_provider_canfar.task_sessions import startup, task_wait
from airflow_provider_canfar.task_sessions.start_problem import ProblemKind
from tests.fake_task import FakeTask
from tests.on_emulator import IMAGE, event_of, shown

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

    from airflow_provider_canfar.testing import Emulator

pytestmark = pytest.mark.usefixtures("quick_triggers")


class Run(Protocol):
    """Runs a task, in the worker or over deferrals, and returns what it returns."""

    def __call__(self, task: FakeTask) -> Any: ...


def over_deferrals(task: FakeTask) -> Any:
    """Run a task as a worker and a triggerer do."""
    deferred = task.defer()
    while True:
        try:
            return task.resume(deferred, event_of(deferred.trigger))
        except TaskDeferred as again:
            deferred = again


def in_the_worker(task: FakeTask) -> Any:
    make = cast("partial[BaseOperator]", task.make)
    task.make = partial(make, deferrable=False)
    return task.run()


@pytest.fixture(name="run", params=[over_deferrals, in_the_worker], ids=["deferred", "in the worker"])
def _run(request: pytest.FixtureRequest) -> Run:
    run: Run = request.param
    return run


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read events at once, and let a worker be woken without delay."""
    monkeypatch.setattr(TaskInstanceId, "state", lambda self: "running")
    monkeypatch.setattr(startup, "READ_EVENTS_EVERY", 0.2)
    monkeypatch.setattr(task_wait, "BATCH_DELAY", 0.5)


def stars(*argv: str, **settings: Any) -> FakeTask:
    standard: dict[str, Any] = {
        "task_id": "stars",
        "image": IMAGE,
        "command": list(argv),
        "deferrable": True,
        "poll_interval": 0.2,
    }
    return FakeTask(partial(CanfarHeadlessOperator, **(standard | settings)))


def created(platform: Emulator) -> Counter[str]:
    return Counter(session["replica_id"] for session in platform.all_sessions())


@pytest.mark.parametrize("reason", ["unavailable", "too_many_requests", "timeout", "quota"])
def test_a_registry_s_bad_moment_is_waited_out(platform: Emulator, run: Run, reason: str) -> None:
    platform.faults(pull={"reason": reason, "succeeds_after": 2})
    with shown() as lines:
        outcomes = run(stars("true", replicas=2))
    assert [one["succeeded"] for one in outcomes] == [True, True]
    assert created(platform) == {"1": 1, "2": 1}
    assert sum("does not start yet: Failed to pull image" in line for line in lines) == 2
    assert sum("has started after all" in line for line in lines) <= 2


@pytest.mark.parametrize("reason", ["manifest_unknown", "not_found", "denied", "unsupported_platform"])
def test_of_three_replicas_one_may_not_start(platform: Emulator, run: Run, reason: str) -> None:
    platform.faults(pull={"reason": reason, "count": 1})
    task = stars("sleep", "2", replicas=3, max_failed_replicas=1, on_finish_action="keep")
    with shown() as lines:
        outcomes = run(task)
    assert sorted(one["status"] for one in outcomes) == ["Completed", "Completed", "NeverStarted"]
    (stuck,) = [one for one in outcomes if not one["succeeded"]]
    assert stuck["reason"].startswith("Failed to pull image")
    assert created(platform) == {"1": 1, "2": 1, "3": 1}
    assert not platform.live()
    assert any(f"Destroyed session {stuck['session_id']}" in line for line in lines)
    assert sum("Destroyed session" in line for line in lines) == 1


def test_siblings_that_run_go_on_and_a_retry_launches_only_what_did_not_start(
    platform: Emulator, run: Run
) -> None:
    platform.faults(pull={"reason": "denied", "count": 1})
    task = stars("sleep", "2", replicas=3, retries=1)
    with pytest.raises(AirflowFailException, match="SessionNeverStarted: 1 of 3 replicas failed") as failure:
        run(task)
    assert isinstance(failure.value.__context__, SessionNeverStarted)
    assert "registry_secret" in failure.value.__notes__[0]
    assert not platform.live()
    platform.clear_faults()
    task.retry()
    assert [one["succeeded"] for one in run(task)] == [True, True, True]
    assert sorted(created(platform).values()) == [1, 1, 2]


def test_what_fails_on_its_own_makes_a_retry_worth_it(platform: Emulator, run: Run) -> None:
    platform.faults(pull={"reason": "not_found", "count": 1})
    with pytest.raises(SessionFailed, match="2 of 2 replicas failed"):
        run(stars("false", replicas=2))
    assert not platform.live()


def test_a_registry_that_stays_away_fails_the_replica_after_a_bound(
    platform: Emulator, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ProblemKind.TRANSIENT, "_value_", 2.0)
    platform.faults(pull={"reason": "unavailable"})
    with pytest.raises(SessionNeverStarted, match=r"(?s)503 Service Unavailable.*Try again later") as failure:
        run(stars("true", replicas=2))
    assert failure.value.retryable
    assert not platform.live()


def test_startup_timeout_is_a_bound_too(platform: Emulator, run: Run) -> None:
    platform.faults(pull={"reason": "too_many_requests"})
    with pytest.raises(SessionNeverStarted, match=r"(?s)startup_timeout allows; .*429 Too Many Requests"):
        run(stars("true", startup_timeout=2))
    assert not platform.live()


def test_a_missing_secret_is_waited_for(platform: Emulator, run: Run) -> None:
    platform.faults(pull={"reason": "config_error", "succeeds_after": 2})
    (outcome,) = run(stars("true"))
    assert outcome["succeeded"]


def test_a_missing_secret_is_waited_for_no_longer_than_five_minutes(
    platform: Emulator, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ProblemKind.CONFIGURATION, "_value_", 2.0)
    platform.faults(pull={"reason": "config_error"})
    with pytest.raises(SessionNeverStarted, match=r"secret .* not found"):
        run(stars("true"))
    assert not platform.live()


def test_with_fail_fast_one_that_does_not_start_ends_the_others(platform: Emulator, run: Run) -> None:
    platform.faults(pull={"reason": "invalid_name", "count": 1})
    with pytest.raises(AirflowFailException, match="invalid reference format"):
        run(stars("sleep", "60", replicas=2, fail_fast=True))
    assert not platform.live()


def notebook() -> FakeTask:
    make = partial(CanfarInteractiveOperator, task_id="notebook", image=IMAGE, kind="notebook")
    return FakeTask(partial(make, deferrable=True, poll_interval=0.2))


def test_an_interactive_session_waits_for_its_image_too(platform: Emulator, run: Run) -> None:
    platform.faults(pull={"reason": "unavailable", "succeeds_after": 2})
    run(notebook())
    assert len(platform.live()) == 1


def test_an_interactive_session_whose_image_does_not_exist_is_destroyed(platform: Emulator, run: Run) -> None:
    platform.faults(pull={"reason": "manifest_unknown"})
    with pytest.raises(AirflowFailException, match=r"SessionNeverStarted: [^$]*manifest unknown"):
        run(notebook())
    assert platform.live() == []
