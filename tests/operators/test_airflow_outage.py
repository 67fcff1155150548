"""What becomes of the sessions when a task fails by something that is not theirs."""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse

from airflow_provider_canfar.hooks._airflow_compat import AirflowSkipException, TaskDeferred
from airflow_provider_canfar.hooks._task_instance import TaskInstanceId
from airflow_provider_canfar.operators import _airflow_api
from airflow_provider_canfar.operators._phase_errors import Killed, Superseded
from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator
from airflow_provider_canfar.skaha.errors import SessionFailed, SessionTimeout
from dev.waiting import wait_until
from tests.airflow_versions import IS_AIRFLOW_3_1
from tests.fake_task import FakeTask
from tests.on_emulator import shown
from tests.operators.conftest import TASK_RUNNER
from tests.operators.test_headless import created

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from airflow_provider_canfar.testing import Emulator

Make = Callable[..., FakeTask]

API_AWAY = AirflowRuntimeError(
    ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail={"status_code": None, "message": "refused"})
)
DISK_FULL = OSError(28, "No space left on device")
NOT_JSON = TypeError("Object of type complex is not JSON serializable")


def api_error(status: int | None, message: str) -> AirflowRuntimeError:
    """Return what the supervisor reports for a failed call."""
    detail = {"status_code": status, "message": message}
    return AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail=detail))


#: What Airflow's calls raise in a worker.
FAULTS = {
    "away": API_AWAY,
    "500": api_error(500, "Internal server error"),
    "slow": api_error(None, "timed out"),
    "409": api_error(409, "The task is not running"),
    "410": api_error(410, "The task instance is gone"),
    "supervisor": EOFError("Request socket closed before length"),
    "pipe": BrokenPipeError(32, "Broken pipe"),
    "disk": DISK_FULL,
    "json": NOT_JSON,
}

SLOTS_ARE_FREE = {"reason": "the platform is about to forget sessions that have ended"}

Fail = Callable[..., "contextlib.AbstractContextManager[None]"]
FailWith = Callable[..., "contextlib.AbstractContextManager[None]"]
Phase = Callable[[FakeTask, Fail], None]


@pytest.fixture(name="fail")
def _fail(monkeypatch: pytest.MonkeyPatch) -> FailWith:
    """Return what makes calls of an object fail until a block ends."""

    @contextlib.contextmanager
    def fail(
        error: Exception, target: Any, name: str, *, after: int = 0, times: int = 1000
    ) -> Iterator[None]:
        original, calls = getattr(target, name), itertools.count(1)

        def call(*args: Any, **kwargs: Any) -> Any:
            if after < next(calls) <= after + times:
                raise error
            return original(*args, **kwargs)

        with monkeypatch.context() as patched:
            patched.setattr(target, name, call)
            yield

    return fail


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
            "deferrable": True,
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


# Each fault, in each phase


def in_pushing(stars: FakeTask, fail: Fail) -> None:
    """Fail when the sessions are launched, and their ids are pushed."""
    with fail(stars.ti, "xcom_push"):
        stars.run()


def in_saving(stars: FakeTask, fail: Fail) -> None:
    """Fail when their ids are pushed, and what a retry must know is saved."""
    assert stars.store is not None
    with fail(stars.store, "set", after=1):
        stars.run()


def before_the_deferral(stars: FakeTask, fail: Fail) -> None:
    """Fail when all is saved, and Airflow is asked whether the task still runs."""
    with fail(TaskInstanceId, "state"):
        stars.run()


def in_resuming(stars: FakeTask, fail: Fail) -> None:
    """Fail when something has woken the worker, which reads its connection."""
    deferred = stars.defer()
    with fail(CanfarHeadlessOperator, "_hook"):
        stars.resume(deferred, SLOTS_ARE_FREE)


def in_recording(stars: FakeTask, fail: Fail) -> None:
    """Fail when something has woken the worker, which pushes what it knows by then."""
    deferred = stars.defer()
    with fail(stars.ti, "xcom_push"):
        stars.resume(deferred, SLOTS_ARE_FREE)


PHASES = [in_pushing, in_saving, before_the_deferral, in_resuming, in_recording]


@pytest.mark.parametrize("error", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("phase", PHASES)
def test_the_sessions_run_on_and_the_retry_adopts_them(
    platform: Emulator, task: Make, fail: FailWith, phase: Phase, error: Exception
) -> None:
    stars = task("sleep", "60", retries=1)
    with shown() as lines, pytest.raises(type(error)):
        phase(stars, partial(fail, error))
    assert len(platform.live()) == 2
    assert any("left running: try 2 will adopt them" in line for line in lines)

    stars.retry()
    stars.defer()
    assert created(platform) == {"1": 1, "2": 1}
    stars.operator.on_kill()
    assert not platform.live()


@pytest.mark.parametrize("error", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("phase", PHASES)
def test_without_a_retry_to_follow_they_are_destroyed(
    platform: Emulator, task: Make, fail: FailWith, phase: Phase, error: Exception
) -> None:
    stars = task("sleep", "60")
    with pytest.raises(type(error)):
        phase(stars, partial(fail, error))
    if phase is in_resuming:
        # Without its connection the task reaches no platform, and says so.
        assert len(platform.live()) == 2
    else:
        assert not platform.live()


@pytest.mark.parametrize("error", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("retries", [1, 2], ids=["last", "retried"])
def test_before_the_launch_of_a_retry_it_is_the_same(
    platform: Emulator, task: Make, fail: FailWith, error: Exception, retries: int
) -> None:
    """Its first question to Airflow is what earlier tries have saved."""
    stars = task("sleep", "60", retries=retries)
    with pytest.raises(BrokenPipeError):
        in_pushing(stars, partial(fail, FAULTS["pipe"]))
    stars.retry()
    assert stars.store is not None
    with shown() as lines, fail(error, stars.store, "get"), pytest.raises(type(error)):
        stars.run()
    assert len(platform.live()) == (0 if retries == 1 else 2)
    assert any("left running: try 3 will adopt them" in line for line in lines) == (retries == 2)


@pytest.mark.parametrize("error", FAULTS.values(), ids=FAULTS)
def test_at_the_end_no_outcome_is_lost(
    platform: Emulator, task: Make, fail: FailWith, tmp_path: Path, error: Exception
) -> None:
    gate = tmp_path / "gate"
    stars = task("sh", "-c", f"until test -e {gate}; do sleep 0.1; done", retries=1)
    deferred = stars.defer()
    gate.touch()
    wait_until(lambda: not platform.live(), description="all sessions to end", timeout=20)
    with pytest.raises(type(error)), fail(error, stars.ti, "xcom_push"):
        stars.resume(deferred, {"reason": "all sessions have ended"})
    stars.retry()
    assert [one["succeeded"] for one in stars.run()] == [True, True]
    assert created(platform) == {"1": 1, "2": 1}


@pytest.mark.parametrize("phase", PHASES)
def test_a_short_silence_is_waited_out_in_each_phase(
    platform: Emulator, task: Make, fail: FailWith, monkeypatch: pytest.MonkeyPatch, phase: Phase
) -> None:
    monkeypatch.setattr(_airflow_api, "SILENCE_WAITED_OUT", 60.0)
    monkeypatch.setattr(_airflow_api, "RETRY_PAUSE", 0.0)
    stars = task("sleep", "60")
    with shown() as lines, pytest.raises(TaskDeferred):
        phase(stars, partial(fail, API_AWAY, times=2))
    assert sum("API server is not responding" in line for line in lines) == 2
    assert len(platform.live()) == 2
    stars.operator.on_kill()


def test_in_the_last_try_they_are_destroyed(platform: Emulator, task: Make) -> None:
    stars = task("sleep", "60", retries=1)
    stars.retry()
    fail_to_push(stars, API_AWAY)
    with pytest.raises(AirflowRuntimeError):
        stars.run()
    assert not platform.live()


def test_after_a_wait_they_run_on_too(platform: Emulator, task: Make) -> None:
    stars = task("sleep", "60", retries=1)
    deferred = stars.defer()
    fail_to_push(stars, API_AWAY)
    with pytest.raises(AirflowRuntimeError):
        stars.resume(deferred, {"reason": "the platform is about to forget sessions that have ended"})
    assert len(platform.live()) == 2
    stars.operator.on_kill()


def test_a_trigger_that_failed_leaves_them_to_the_retry(platform: Emulator, task: Make) -> None:
    stars = task("sleep", "60", retries=1)
    stars.defer()
    with shown() as lines, pytest.raises(Exception, match="Trigger failure"):
        stars.operator.resume_execution("__fail__", {"error": "Trigger failure"}, stars.context)
    assert len(platform.live()) == 2
    assert any("left running: try 2 will adopt them" in line for line in lines)
    stars.operator.on_kill()


def test_a_trigger_that_no_triggerer_ran_in_time_does_not(platform: Emulator, task: Make) -> None:
    stars = task("sleep", "60", retries=1)
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


@pytest.mark.parametrize(
    ("answers", "live"), [([True, False], 2), ([True, True], 0), ([False, False], 0)], ids=str
)
def test_a_kill_is_not_a_person_s_where_the_api_server_was_lost_meanwhile(
    platform: Emulator,
    task: Make,
    fail: FailWith,
    monkeypatch: pytest.MonkeyPatch,
    answers: list[bool],
    live: int,
) -> None:
    """A supervisor sends the same SIGTERM when Airflow no longer answers its heartbeats."""
    remaining = iter(answers)
    monkeypatch.setattr(_airflow_api, "api_server_answers", lambda: next(remaining))
    stars = task("sleep", "60", retries=1)
    stars.defer()
    with fail(TimeoutError(), TaskInstanceId, "state"):
        stars.operator.on_kill()
    assert len(platform.live()) == live


@pytest.mark.parametrize(("state", "live"), [("up_for_retry", 2), ("queued", 2), ("failed", 0)])
def test_before_the_deferral_a_task_that_airflow_retries_leaves_them(
    platform: Emulator, task: Make, monkeypatch: pytest.MonkeyPatch, state: str, live: int
) -> None:
    monkeypatch.setattr(TaskInstanceId, "state", lambda self: state)
    with pytest.raises((Superseded, Killed)):
        task("sleep", "60", retries=1).run()
    assert len(platform.live()) == live


@pytest.mark.parametrize(
    ("state", "live"),
    [
        ("running", 2),
        ("up_for_retry", 2),
        ("queued", 2),
        ("failed", 0),
        ("success", 0),
        ("skipped", 0),
        ("restarting", 0),
        ("removed", 0),
        (None, 0),
    ],
)
def test_a_worker_that_is_stopped_destroys_the_sessions_of_a_task_that_somebody_has_ended(
    platform: Emulator, task: Make, monkeypatch: pytest.MonkeyPatch, state: str | None, live: int
) -> None:
    """Otherwise its host shuts down, or Airflow has refused its heartbeats, and a retry adopts them."""
    stars = task("sleep", "60", retries=1)
    stars.defer()
    monkeypatch.setattr(TaskInstanceId, "state", lambda self: state)
    stars.operator.on_kill()
    assert len(platform.live()) == live


def test_a_kill_of_the_last_try_is_a_kill(
    platform: Emulator, task: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_airflow_api, "api_server_answers", lambda: False)
    stars = task("sleep", "60")
    stars.defer()
    stars.operator.on_kill()
    assert not platform.live()


def test_a_kill_while_the_api_server_is_away_is_a_kill(
    platform: Emulator, task: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TaskInstanceId, "state", lambda self: "failed")
    stars = task("sleep", "60", retries=1)

    def push(key: str, value: Any) -> None:
        stars.operator.on_kill()
        raise API_AWAY

    stars.ti.xcom_push = push  # type: ignore[method-assign]  # The kill comes in the middle of it.
    with shown() as lines, pytest.raises(AirflowRuntimeError):
        stars.run()
    assert not platform.live()
    assert not any("left running" in line for line in lines)


class FailAtOnce:
    """A retry policy that fails a task at once for one error."""

    def __init__(self, error: type[Exception]) -> None:
        self.error = error

    def evaluate(self, exception: BaseException, **_: Any) -> Any:
        is_failure = isinstance(exception, self.error)
        return SimpleNamespace(action=SimpleNamespace(value="fail" if is_failure else "default"))


class Broken:
    """A retry policy that fails itself; Airflow then goes by the number of tries."""

    def evaluate(self, **_: Any) -> Any:
        raise ValueError("no policy")


@pytest.mark.parametrize(
    ("policy", "live"), [(FailAtOnce(AirflowRuntimeError), 0), (FailAtOnce(OSError), 2), (Broken(), 2)]
)
def test_a_retry_policy_is_asked(
    platform: Emulator, task: Make, fail: FailWith, policy: Any, live: int
) -> None:
    stars = task("sleep", "60", retries=1)
    make = stars.make

    def with_policy() -> Any:
        operator = make()
        vars(operator)["retry_policy"] = policy  # Airflow 3.1 has no such argument.
        return operator

    stars.make = with_policy
    with pytest.raises(AirflowRuntimeError):
        in_pushing(stars, partial(fail, API_AWAY))
    assert len(platform.live()) == live


def test_a_skipped_task_leaves_nothing_running(platform: Emulator, task: Make, fail: FailWith) -> None:
    """No retry follows."""
    stars = task("sleep", "60", retries=1)
    with pytest.raises(AirflowSkipException):
        in_pushing(stars, partial(fail, AirflowSkipException("not tonight")))
    assert not platform.live()


def test_a_time_out_stays_one_while_airflow_is_away(platform: Emulator, task: Make, fail: FailWith) -> None:
    stars = task("sleep", "60", retries=1)
    deferred = stars.defer()
    with pytest.raises(SessionTimeout), fail(API_AWAY, stars.ti, "xcom_push"):
        stars.resume(deferred, {"reason": "the deadline has passed"})
    assert not platform.live()


def test_without_a_supervisor_to_log_to_they_are_destroyed_all_the_same(
    platform: Emulator, task: Make, fail: FailWith, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow's logger writes into a pipe to the supervisor."""

    def write(*_: Any) -> None:
        raise FAULTS["pipe"]

    monkeypatch.setattr(
        CanfarHeadlessOperator, "log", SimpleNamespace(info=write, error=write, warning=print)
    )
    with pytest.raises(EOFError):
        in_pushing(task("sleep", "60"), partial(fail, FAULTS["supervisor"]))
    assert not platform.live()


@pytest.mark.skipif(IS_AIRFLOW_3_1, reason="Airflow 3.1 asks the supervisor, a fake here, for the connection")
def test_a_task_whose_supervisor_has_died_launches_nothing_more(
    platform: Emulator, task: Make, supervisor: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A retry follows once Airflow misses its heartbeats, and adopts what there is."""
    platform.configure(create_latency=1.5)
    stars = task("sleep", "60", retries=1, replicas=24)
    supervisor.close()
    with shown() as lines, pytest.raises(Killed):
        stars.run()
    assert 8 <= len(platform.live()) < 24
    assert sum("left running: try 2 will adopt them" in line for line in lines) == 1
    platform.configure(create_latency=0)
    stars.retry()
    monkeypatch.delitem(sys.modules, TASK_RUNNER)  # With a supervisor of its own.
    stars.defer()
    assert set(created(platform).values()) == {1}
    stars.operator.on_kill()
