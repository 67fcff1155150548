"""The interactive operator on the emulator: sessions that are left to a person."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import pytest

from airflow_provider_canfar.hooks._airflow_compat import AirflowFailException, TaskDeferred
from airflow_provider_canfar.hooks._task_instance import TaskInstanceId
from airflow_provider_canfar.hooks.canfar import CanfarHook
from airflow_provider_canfar.operators._phase_errors import Killed
from airflow_provider_canfar.operators.interactive import CanfarInteractiveOperator
from airflow_provider_canfar.skaha.errors import SessionFailed, SessionNeverStarted, SessionTimeout, SpecError
from airflow_provider_canfar.task_sessions import interactive_wait as interactive
from airflow_provider_canfar.triggers.session import CanfarSessionTrigger
from tests.fake_task import FakeTask
from tests.on_emulator import IMAGE, event_of, launch, shown

if TYPE_CHECKING:
    from airflow_provider_canfar.testing import Emulator

Make = Callable[..., FakeTask]


@pytest.fixture(name="task")
def _task(platform: Emulator, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Make a task that waits in the worker and looks often."""
    # Only inside a worker does Airflow answer how a task stands.
    monkeypatch.setattr(TaskInstanceId, "state", lambda self: "running")

    def make(**settings: Any) -> FakeTask:
        standard: dict[str, Any] = {
            "task_id": "inspect",
            "image": IMAGE,
            "deferrable": False,
            "poll_interval": 0.1,
        }
        return FakeTask(partial(CanfarInteractiveOperator, **(standard | settings)))

    return make


@contextmanager
def meanwhile(what: Callable[[], Any], after: float = 1.0) -> Iterator[None]:
    """Do something a little later, while the block goes on."""
    timer = threading.Timer(after, what)
    timer.start()
    try:
        yield
    finally:
        timer.join()


def test_the_task_ends_with_the_page_of_a_session_that_runs_on(platform: Emulator, task: Make) -> None:
    inspect = task()
    url = inspect.run()
    (session,) = platform.live()
    assert (session["kind"], session["status"]) == ("notebook", "Running")
    assert f"/session/notebook/{session['id']}/" in url
    assert inspect.ti.xcoms["url"] == url
    assert inspect.ti.xcoms["sessions"][0]["session_id"] == session["id"]
    assert inspect.ti.xcoms["sessions"][0]["url"] == url


@pytest.mark.parametrize("kind", ["desktop", "carta", "firefly", "contributed"])
def test_each_kind_that_a_browser_opens_can_be_launched(platform: Emulator, task: Make, kind: str) -> None:
    assert task(kind=kind).run().startswith(platform.url.partition("/skaha")[0])
    assert [session["kind"] for session in platform.live()] == [kind]


@pytest.mark.parametrize("kind", ["headless", "desktop-app"])
def test_a_kind_without_a_page_is_refused(task: Make, kind: str) -> None:
    with pytest.raises(SpecError, match="a browser cannot open it"):
        task(kind=kind)


def test_a_retry_takes_over_the_session_that_is_there(platform: Emulator, task: Make) -> None:
    """The worker dies without a word after its launch."""
    platform.configure(start_delay=1)
    inspect = task(deferrable=True, retries=1)
    inspect.defer()
    inspect.retry()
    inspect.make = task(retries=1).make
    inspect.run()
    assert len(platform.all_sessions()) == 1


def test_a_clear_destroys_the_session_and_opens_another(platform: Emulator, task: Make) -> None:
    inspect = task()
    inspect.run()
    inspect.clear()
    inspect.run()
    first, second = platform.all_sessions()
    assert first["deleted"] is not None
    assert [session["id"] for session in platform.live()] == [second["id"]]


def test_the_wait_needs_no_worker(platform: Emulator, task: Make, quick_triggers: None) -> None:
    platform.configure(start_delay=1)
    inspect = task(deferrable=True)
    deferred = inspect.defer()
    assert isinstance(deferred.trigger, CanfarSessionTrigger)
    assert inspect.ti.xcoms["url"] == inspect.ti.xcoms["sessions"][0]["url"]
    event = event_of(deferred.trigger)
    assert event["reason"] == "the session can be opened"
    assert inspect.resume(deferred, event) == inspect.ti.xcoms["url"]


def test_the_page_may_have_to_answer(platform: Emulator, task: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def answers_the_third_time(url: str) -> bool:
        asked.append(url)
        return len(asked) == 3

    monkeypatch.setattr(interactive, "responds", answers_the_third_time)
    url = task(wait_for_url=True).run()
    assert asked == [url] * 3


def test_a_full_platform_is_told_in_its_own_words(platform: Emulator, task: Make) -> None:
    platform.configure(max_interactive=1)
    launch("somebody-s", kind="carta")
    with pytest.raises(AirflowFailException, match="has reached the maximum of 1 active sessions"):
        task().run()


def test_a_place_can_be_waited_for(platform: Emulator, task: Make) -> None:
    platform.configure(max_interactive=1)
    other = launch("somebody-s", kind="carta")
    with meanwhile(lambda: CanfarHook().destroy(other)):
        assert task(wait_for_quota=True).run()
    assert [session["kind"] for session in platform.live()] == ["notebook"]


def test_a_place_is_waited_for_without_a_worker(platform: Emulator, task: Make, quick_triggers: None) -> None:
    platform.configure(max_interactive=1)
    other = launch("somebody-s", kind="carta")
    inspect = task(wait_for_quota=True, deferrable=True)
    deferred = inspect.defer()
    assert inspect.ti.xcoms["sessions"] == []
    with meanwhile(lambda: CanfarHook().destroy(other)):
        event = event_of(deferred.trigger)
    inspect.make = task(wait_for_quota=True).make
    assert inspect.resume(deferred, event)


def test_a_session_is_kept_alive_for_as_long_as_was_asked(platform: Emulator, task: Make) -> None:
    """It would have ended after two seconds, and the task would have failed."""
    platform.configure(interactive_deadline=2)
    with shown() as lines:
        url = task(keep_alive_for=timedelta(seconds=4)).run()
    assert "?token=" in url
    (opened,) = [line for line in lines if line.startswith("The session is open")]
    assert opened.endswith(url.partition("?")[0])
    assert "token=" not in "".join(lines)
    assert sum(line.startswith("Renewed session") for line in lines) >= 1
    (session,) = platform.live()
    assert session["status"] == "Running"


def test_a_session_is_kept_alive_by_the_trigger(platform: Emulator, task: Make, quick_triggers: None) -> None:
    platform.configure(interactive_deadline=2, start_delay=0.5)
    inspect = task(keep_alive_for=timedelta(seconds=4), deferrable=True)
    deferred = inspect.defer()
    with pytest.raises(TaskDeferred) as again:
        inspect.resume(deferred, event_of(deferred.trigger))
    deferred = again.value
    event = event_of(deferred.trigger)
    assert event["reason"] == "the session has been kept alive for as long as was asked"
    assert inspect.resume(deferred, event) == inspect.ti.xcoms["url"]
    assert len(platform.live()) == 1


def test_its_user_ends_the_keeping_by_ending_the_session(platform: Emulator, task: Make) -> None:
    def end() -> None:
        CanfarHook().destroy(platform.all_sessions()[0]["id"])

    with meanwhile(end, after=2):
        assert task(keep_alive_for=timedelta(hours=1)).run()
    assert platform.live() == []


def test_a_session_that_fails_while_it_is_kept_fails_the_task(
    platform: Emulator, task: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interactive.InteractiveTaskWait, "ids_to_renew", lambda self, now: [])
    platform.configure(interactive_deadline=2)
    with pytest.raises(SessionFailed, match="ended while it was kept alive: Failed"):
        task(keep_alive_for=timedelta(hours=1)).run()


def test_a_session_that_ends_before_it_can_be_opened_fails_the_task(
    platform: Emulator, task: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(url: str) -> bool:
        return False

    monkeypatch.setattr(interactive, "responds", never)
    platform.configure(interactive_deadline=1)
    with pytest.raises(SessionFailed, match="ended before it could be opened: Failed"):
        task(wait_for_url=True).run()


def test_a_session_that_cannot_start_fails_the_task_and_is_destroyed(platform: Emulator, task: Make) -> None:
    platform.configure(start_delay=60)
    with pytest.raises(SessionNeverStarted):
        task(startup_timeout=timedelta(seconds=1)).run()
    assert platform.live() == []


def test_a_session_outlives_no_task_that_runs_out_of_time(platform: Emulator, task: Make) -> None:
    platform.configure(start_delay=60)
    with pytest.raises(SessionTimeout, match="The session of this task is destroyed") as over:
        task(execution_timeout=timedelta(seconds=1)).run()
    (session,) = platform.all_sessions()
    assert (over.value.replica, over.value.session_id) == (1, session["id"])
    assert (over.value.name, over.value.status) == (session["name"], "Pending")
    assert platform.live() == []
    with pytest.raises(SessionTimeout, match="The session of this task is left running"):
        task(execution_timeout=timedelta(seconds=1), destroy_on_kill=False).run()
    assert len(platform.live()) == 1


@pytest.mark.parametrize(("destroy_on_kill", "left"), [(True, 0), (False, 1)])
def test_a_session_outlives_no_killed_task_unless_its_author_wants_that(
    platform: Emulator, task: Make, *, destroy_on_kill: bool, left: int
) -> None:
    platform.configure(start_delay=60)
    inspect = task(deferrable=True, destroy_on_kill=destroy_on_kill)
    inspect.defer()
    inspect.operator.on_kill()
    assert len(platform.live()) == left


def test_a_task_that_was_killed_while_it_launched_does_not_defer(
    platform: Emulator, task: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.configure(start_delay=60)
    inspect = task(deferrable=True)
    monkeypatch.setattr(TaskInstanceId, "state", lambda self: "failed")
    with pytest.raises(Killed):
        inspect.run()
    assert platform.live() == []


def test_a_lost_answer_makes_no_second_session(platform: Emulator, task: Make) -> None:
    platform.faults(drop_after={"method": "POST", "count": 1})
    task().run()
    assert len(platform.all_sessions()) == 1


def test_an_outage_is_waited_out(platform: Emulator, task: Make) -> None:
    platform.configure(start_delay=1)
    inspect = task()
    with (
        meanwhile(lambda: platform.faults(outage={"mode": "busy"}), after=0.6),
        meanwhile(platform.clear_faults, 2),
    ):
        assert inspect.run()
    assert len(platform.all_sessions()) == 1


def test_dag_test_forgets_what_a_deferral_carries(
    platform: Emulator, task: Make, quick_triggers: None
) -> None:
    platform.configure(start_delay=1)
    inspect = task(deferrable=True)
    deferred = inspect.defer()
    event = event_of(deferred.trigger)
    operator = cast("CanfarInteractiveOperator", inspect.make())
    assert operator.resume(inspect.context, event) == inspect.ti.xcoms["url"]
    assert len(platform.all_sessions()) == 1
