"""Operators that a task executes by itself, and tries that begin at 0."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from airflow.sdk import BaseOperator

from airflow_provider_canfar.hooks import _seal
from airflow_provider_canfar.hooks._airflow_compat import TaskDeferred
from airflow_provider_canfar.hooks._task_instance import TaskInstanceId
from airflow_provider_canfar.operators._work import identity_of, own_work
from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator
from airflow_provider_canfar.operators.interactive import CanfarInteractiveOperator
from airflow_provider_canfar.sensors.session import CanfarSessionSensor
from airflow_provider_canfar.skaha.errors import SessionFailed
from airflow_provider_canfar.skaha.naming import SessionName
from airflow_provider_canfar.task_sessions.batch import Batch
from dev.waiting import wait_until
from tests.fake_task import FakeTask
from tests.on_emulator import IMAGE, event_of, launch, shown
from tests.sigint import default_sigint
from tests.task_sessions.journaled import journal

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_canfar.testing import Emulator

pytestmark = pytest.mark.usefixtures("platform")


def headless(*argv: str, **settings: Any) -> CanfarHeadlessOperator:
    standard: dict[str, Any] = {"task_id": "image", "image": IMAGE, "poll_interval": 0.2}
    return CanfarHeadlessOperator(command=argv, **(standard | settings))


class Outer(BaseOperator):
    """A task that executes other operators, as the function of a ``@task`` may."""

    def __init__(self, *, run: Callable[[Context], Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.run_inside = run

    def execute(self, context: Context) -> Any:
        return self.run_inside(context)


@pytest.fixture(name="outer")
def _outer(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Context], Any]], FakeTask]:
    """Make a task instance that Airflow runs, which executes others."""
    monkeypatch.setattr(TaskInstanceId, "state", lambda self: "running")

    def make(run: Callable[[Context], Any], **settings: Any) -> FakeTask:
        return FakeTask(lambda: Outer(run=run, task_id="survey", **settings))

    return make


Make = Callable[..., FakeTask]


def survey(
    fields: tuple[str, ...], *, same_id: bool = False, **settings: Any
) -> Callable[[Context], list[str]]:
    def run(context: Context) -> list[str]:
        outcomes = []
        for field in fields:
            task_id = "image" if same_id else f"image_{field}"
            outcomes += headless("echo", field, task_id=task_id, **settings).execute(context)
        return [outcome["name"] for outcome in outcomes]

    return run


@pytest.mark.parametrize("same_id", [False, True])
@pytest.mark.parametrize("deferrable", [False, True])
def test_each_operator_that_a_task_executes_has_sessions_of_its_own(
    platform: Emulator, outer: Make, *, deferrable: bool, same_id: bool
) -> None:
    names = outer(survey(("north", "south"), same_id=same_id, deferrable=deferrable)).run()
    assert [one["args"] for one in platform.all_sessions()] == [["north"], ["south"]]
    assert names == [one["name"] for one in platform.all_sessions()]
    parsed = [SessionName.parse(name) for name in names]
    assert len({name.key for name in parsed if name}) == 2
    assert len({name.task_key for name in parsed if name}) == 1


def test_a_retry_finds_for_each_operator_what_it_had_launched(platform: Emulator, outer: Make) -> None:
    fails = ["once"]

    def run(context: Context) -> list[str]:
        names = survey(("north",))(context)
        if fails:
            fails.pop()
            raise RuntimeError("between the two")
        return names + survey(("south",))(context)

    task = outer(run)
    with pytest.raises(RuntimeError, match="between the two"):
        task.run()
    task.retry()
    assert len(task.run()) == 2
    assert [one["args"] for one in platform.all_sessions()] == [["north"], ["south"]]


def test_what_they_save_and_push_is_kept_apart(outer: Make) -> None:
    task = outer(survey(("north", "south")))
    task.run()
    names = ("progress", "sessions", "service_url")
    assert set(task.ti.xcoms) == {f"{name}_image_{field}" for name in names for field in ("north", "south")}
    assert task.store is not None
    assert {"canfar_task_image_north", "canfar_task_image_south"} == set(task.store.rows)


def test_an_interactive_operator_in_a_task_waits_in_the_worker_too(platform: Emulator, outer: Make) -> None:
    def run(context: Context) -> Any:
        return CanfarInteractiveOperator(task_id="open", image=IMAGE, poll_interval=0.2).execute(context)

    url = outer(run).run()
    assert url
    assert [one["kind"] for one in platform.live()] == ["notebook"]


@pytest.mark.parametrize("settings", [{}, {"mode": "reschedule"}])
def test_a_sensor_in_a_task_waits_in_the_worker_too(
    platform: Emulator, outer: Make, settings: dict[str, Any]
) -> None:
    launch("survey-1", "sleep", "1")

    def run(context: Context) -> Any:
        sensor = CanfarSessionSensor(task_id="wait", prefix="survey-", poll_interval=0.2, **settings)
        return sensor.execute(context)

    with shown() as lines:
        (row,) = outer(run).run()
    assert row["status"] == "Completed"
    assert any(line.startswith("Waiting in the worker: task 'survey' executes") for line in lines)


def test_a_task_that_executes_an_operator_says_why_it_does_not_defer(outer: Make) -> None:
    with shown() as lines:
        outer(survey(("north",))).run()
    assert any(line.startswith("Waiting in the worker: task 'survey' executes") for line in lines)


def test_a_kill_of_the_task_reaches_the_operator_that_it_executes(platform: Emulator, outer: Make) -> None:
    task = outer(lambda context: headless("sleep", "60").execute(context))

    def kill() -> None:
        wait_until(platform.live, description="a session", timeout=20, interval=0.05)
        running = task.ti.task
        assert running is not None
        running.on_kill()

    killing = threading.Thread(target=kill)
    killing.start()
    with pytest.raises(Exception, match="stopped the worker"):
        task.run()
    killing.join()
    assert not platform.live()


def test_a_subclass_that_executes_itself_twice_does_twice_the_work(
    platform: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Twice(CanfarHeadlessOperator):
        def execute(self, context: Context) -> Any:
            for field in ("north", "south"):
                self.command = ["echo", field]
                super().execute(context)

    FakeTask(lambda: Twice(task_id="image", image=IMAGE, poll_interval=0.2, deferrable=False)).run()
    assert [one["args"] for one in platform.all_sessions()] == [["north"], ["south"]]


@pytest.mark.parametrize("try_number", [0, 1])
def test_tries_may_begin_at_0_as_in_airflow_tasks_test(platform: Emulator, try_number: int) -> None:
    task = FakeTask(lambda: headless("true", replicas=2, deferrable=False))
    task.ti.try_number = try_number
    assert [outcome["try_number"] for outcome in task.run()] == [try_number] * 2
    assert len(platform.all_sessions()) == 2


def test_dag_test_goes_on_with_what_the_deferral_carried(
    platform: Emulator, monkeypatch: pytest.MonkeyPatch, quick_triggers: None
) -> None:
    """It resumes in the process that deferred, with the event alone."""
    monkeypatch.setattr(TaskInstanceId, "state", lambda self: "running")
    task = FakeTask(lambda: headless("sleep", "1", replicas=2, max_active_replicas=1))
    deferred = task.defer()
    event = event_of(deferred.trigger)
    (session,) = platform.all_sessions()
    platform.vanish(session["id"])  # The platform has forgotten it; what was seen of it counts.
    operator = task.make()
    with pytest.raises(TaskDeferred):
        operator.resume_execution("resume", {"event": event}, task.context)
    assert [one["replica_id"] for one in platform.all_sessions()] == ["1", "2"]


@pytest.mark.parametrize("destroy_on_kill", [True, False])
def test_ctrl_c_destroys_the_sessions_and_says_so(
    platform: Emulator, monkeypatch: pytest.MonkeyPatch, *, destroy_on_kill: bool
) -> None:
    monkeypatch.setattr(TaskInstanceId, "state", lambda self: "running")
    task = FakeTask(lambda: headless("sleep", "60", deferrable=False, destroy_on_kill=destroy_on_kill))

    def interrupt() -> None:
        wait_until(platform.live, description="a session", timeout=20, interval=0.05)
        os.kill(os.getpid(), signal.SIGINT)

    pressing = threading.Thread(target=interrupt)
    pressing.start()
    with default_sigint(), shown() as lines, pytest.raises(KeyboardInterrupt):
        task.run()
    pressing.join()
    assert bool(platform.live()) is not destroy_on_kill
    assert any("KeyboardInterrupt" in line for line in lines)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError])
def test_whatever_ends_a_task_while_it_launches_leaves_nothing_running(
    platform: Emulator, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    task = FakeTask(lambda: headless("sleep", "60", replicas=4, deferrable=False))

    def fail(key: str, value: Any) -> None:
        raise error

    monkeypatch.setattr(task.ti, "xcom_push", fail)
    with pytest.raises(error):
        task.run()
    assert len(platform.all_sessions()) == 4
    assert not platform.live()


CHANGING = ("{{ macros.datetime.now() }}", "{{ macros.uuid.uuid4() }}", "{{ macros.random() }}")


@pytest.mark.parametrize("credential", ["token", "certificate"])
def test_the_replicas_of_a_try_run_what_its_first_phase_has_rendered(
    platform: Emulator,
    monkeypatch: pytest.MonkeyPatch,
    quick_triggers: None,
    tmp_path: Path,
    credential: str,
) -> None:
    """Each wake of the worker renders the templates again."""
    monkeypatch.setattr(TaskInstanceId, "state", lambda self: "running")
    if credential == "certificate":
        monkeypatch.setattr(_seal, "secret_of", lambda settings: b"the file's content")

    def make() -> CanfarHeadlessOperator:
        return headless(
            "sh",
            "-c",
            "sleep 1; echo $0",
            *CHANGING,
            env={"CHANGING": f"canary {CHANGING[1]}"},
            replicas=3,
            max_active_replicas=1,
        )

    task = FakeTask(make)

    def rendered() -> CanfarHeadlessOperator:
        operator = make()
        operator.render_template_fields(task.context)
        return operator

    task.make = rendered
    deferred = task.defer()
    for _ in range(2):
        with pytest.raises(TaskDeferred) as again:
            task.resume(deferred, event_of(deferred.trigger))
        deferred = again.value
    sessions = platform.all_sessions()
    assert len(sessions) == 3
    assert len({tuple(one["args"]) for one in sessions}) == 1
    # The command and its variables travel in the arguments, in base64.
    assert sessions[0]["args"][-1] not in str(deferred.kwargs)
    assert "canary" not in str(deferred.kwargs)


def test_a_new_try_renders_its_templates_again(platform: Emulator) -> None:
    task = FakeTask(lambda: headless("sh", "-c", f"echo {uuid4()}; exit 1", deferrable=False, retries=1))
    for _ in range(2):
        with pytest.raises(SessionFailed):
            task.run()
        task.retry()
    first, second = platform.all_sessions()
    assert first["args"] != second["args"]


def test_with_another_secret_of_the_connection_the_templates_are_rendered_again(
    platform: Emulator, monkeypatch: pytest.MonkeyPatch, quick_triggers: None
) -> None:
    monkeypatch.setattr(TaskInstanceId, "state", lambda self: "running")
    task = FakeTask(lambda: headless("sleep", "1", replicas=2, max_active_replicas=1))
    deferred = task.defer()
    event = event_of(deferred.trigger)
    monkeypatch.setattr(_seal, "secret_of", lambda settings: b"renewed")
    with shown() as lines, pytest.raises(TaskDeferred):
        task.resume(deferred, event)
    assert any(line.startswith("Rendering the templates again") for line in lines)
    assert len(platform.all_sessions()) == 2


# --- the key of the nonces that mark results


def result_key_of(task: FakeTask) -> str:
    """Return the key that one try uses and saves, as a first phase does."""
    operator = task.make()
    task.ti.task = operator
    kept = journal(task.store)
    identity = identity_of(operator, None, task.context, own_work(operator), kept.saved)
    kept.begin(Batch(identity, task.ti.try_number, 1))
    assert identity.result_key not in repr(identity)
    return identity.result_key


def test_the_key_is_random_where_airflow_keeps_it_for_later_tries() -> None:
    one, other = (FakeTask(lambda: headless("true", retries=1)) for _ in range(2))
    key = result_key_of(one)
    assert key != result_key_of(other)
    one.retry()
    assert result_key_of(one) == key
    one.clear()
    assert result_key_of(one) == key


def test_without_a_store_every_try_derives_the_same_key() -> None:
    one, other = (FakeTask(lambda: headless("true", retries=1)) for _ in range(2))
    one.store = other.store = None
    key = result_key_of(one)
    one.retry()
    assert result_key_of(one) == key
    other.dag_run.start_date = datetime(2026, 3, 4, 18, 22, 10, 123457, tzinfo=UTC)
    assert result_key_of(other) != key


def test_a_task_that_began_before_airflow_had_a_store_keeps_its_key() -> None:
    task = FakeTask(lambda: headless("true", retries=1))
    store, task.store = task.store, None
    key = result_key_of(task)
    task.retry()
    task.store = store
    assert result_key_of(task) == key
    task.retry()
    assert result_key_of(task) == key
