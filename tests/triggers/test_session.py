"""The trigger of a task's sessions: which it destroys on a kill, and which it leaves alone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk.bases.xcom import BaseXCom
from airflow.sdk.execution_time import xcom as xcom_module

from airflow_provider_canfar.hooks import _airflow_compat
from airflow_provider_canfar.hooks._task_instance import TaskInstanceId
from airflow_provider_canfar.task_sessions.wait_spec import WaitSpec
from airflow_provider_canfar.triggers import session as trigger_module
from airflow_provider_canfar.triggers.session import TERMINAL_STATES, CanfarSessionTrigger
from tests.on_emulator import launch, shown, stored

if TYPE_CHECKING:
    from airflow_provider_canfar.testing import Emulator

TASK = TaskInstanceId("survey", "manual__2026", "stars", 3)
NAME = "stars-k3v5x2qamd-0-1-1"


@pytest.fixture(name="trigger")
def _trigger(platform: Emulator) -> CanfarSessionTrigger:
    """Make the trigger of a task with one running session, as a triggerer does."""
    session_id = launch(NAME, "sleep", "60")
    wait_spec = WaitSpec("k3v5x2qamd", {session_id: NAME}).to_json()
    trigger = stored(
        CanfarSessionTrigger(wait_spec=wait_spec, poll_interval=0.2, task_instance=TASK.to_json())
    )
    assert isinstance(trigger, CanfarSessionTrigger)
    return trigger


def set_state(monkeypatch: pytest.MonkeyPatch, state: str | None) -> list[TaskInstanceId]:
    """Let Airflow answer with a task state, and collect for which task instances it is asked."""
    requested: list[TaskInstanceId] = []

    def get_state(self: TaskInstanceId) -> str | None:
        requested.append(self)
        return state

    monkeypatch.setattr(TaskInstanceId, "state", get_state)
    return requested


@pytest.mark.parametrize("state", sorted(TERMINAL_STATES))
def test_the_sessions_of_a_task_that_has_ended_are_destroyed(
    platform: Emulator, trigger: CanfarSessionTrigger, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    requested = set_state(monkeypatch, state)
    with shown() as lines:
        asyncio.run(trigger.on_kill())
    assert not platform.live()
    assert requested == [TASK]
    assert lines == [f"Destroyed 1 of 1 sessions: the task's state is {state}."]


@pytest.mark.parametrize(
    "state", [None, "deferred", "scheduled", "queued", "running", "restarting", "up_for_retry"]
)
def test_the_sessions_of_a_task_that_has_not_ended_are_left_alone(
    platform: Emulator, trigger: CanfarSessionTrigger, monkeypatch: pytest.MonkeyPatch, state: str | None
) -> None:
    """Airflow wrongly kills a trigger that another triggerer has taken over, and that may have fired there.

    A task that was cleared has the same states; its next execute destroys the sessions it does not adopt.
    """
    set_state(monkeypatch, state)
    asyncio.run(trigger.on_kill())
    assert len(platform.live()) == 1


def test_the_sessions_of_a_task_whose_state_is_unknown_are_left_alone(
    platform: Emulator, trigger: CanfarSessionTrigger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: TaskInstanceId) -> str:
        raise RuntimeError("the API server is away")

    monkeypatch.setattr(TaskInstanceId, "state", fail)
    with shown() as lines:
        asyncio.run(trigger.on_kill())
    assert len(platform.live()) == 1
    assert "Could not read the task's state from Airflow: the API server is away" in lines


def test_without_destroy_on_kill_a_kill_leaves_the_sessions_alone(
    platform: Emulator, trigger: CanfarSessionTrigger, monkeypatch: pytest.MonkeyPatch
) -> None:
    trigger.destroy_on_kill = False
    requested = set_state(monkeypatch, "failed")
    asyncio.run(trigger.on_kill())
    assert len(platform.live()) == 1
    assert requested == []


def test_a_kill_that_is_cancelled_every_second_still_destroys_the_sessions(
    platform: Emulator, trigger: CanfarSessionTrigger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow cancels a trigger every second until it has ended, and may call on_kill twice."""
    set_state(monkeypatch, "failed")

    async def kill() -> None:
        for _ in range(2):
            killing = asyncio.create_task(trigger.on_kill())
            await asyncio.sleep(0)
            killing.cancel()
            await asyncio.gather(killing, return_exceptions=True)
        await trigger.on_kill()

    with shown() as lines:
        asyncio.run(kill())
    assert not platform.live()
    assert lines == ["Destroyed 1 of 1 sessions: the task's state is failed."]


@pytest.mark.parametrize(("calls_on_kill", "live"), [(True, 1), (False, 0)])
def test_before_airflow_3_3_a_kill_is_a_cancellation(
    platform: Emulator,
    trigger: CanfarSessionTrigger,
    monkeypatch: pytest.MonkeyPatch,
    *,
    calls_on_kill: bool,
    live: int,
) -> None:
    monkeypatch.setattr(trigger_module, "AIRFLOW_CALLS_ON_KILL", calls_on_kill)
    monkeypatch.setattr(trigger, "trigger_id", 7)
    set_state(monkeypatch, "failed")

    async def cancel() -> None:
        events: Any = trigger.run()
        running = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0.1)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(cancel())
    assert len(platform.live()) == live


@pytest.mark.parametrize("destroy_on_kill", [True, False])
def test_an_interrupt_where_no_triggerer_runs_the_trigger_destroys_the_sessions(
    platform: Emulator, trigger: CanfarSessionTrigger, *, destroy_on_kill: bool
) -> None:
    """dag.test() runs a trigger inline: asyncio.run() turns Ctrl-C into a cancellation."""
    trigger.destroy_on_kill = destroy_on_kill

    async def interrupt() -> None:
        events: Any = trigger.run()
        running = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    with shown() as lines:
        asyncio.run(interrupt())
    assert bool(platform.live()) is not destroy_on_kill
    assert "interrupt" in lines[-1]


def test_a_trigger_writes_the_progress_of_its_task_instance(
    platform: Emulator, trigger: CanfarSessionTrigger, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[tuple[Any, ...]] = []
    progress = {"states": "p", "since": 1.0, "try_number": 2}
    trigger.trigger_id = 7
    trigger.wait_spec = (trigger.wait_spec or {}) | {"progress": progress}

    async def watch() -> None:
        has_written = asyncio.Event()

        async def aset(key: str, value: Any, **task_instance: Any) -> None:
            written.append((key, value, task_instance))
            has_written.set()

        monkeypatch.setattr(_airflow_compat, "trigger_xcom_set", lambda: aset)
        running = asyncio.ensure_future(anext(trigger.run()))
        await has_written.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(asyncio.wait_for(watch(), 20))
    ((key, value, task_instance),) = written
    assert key == "progress"
    assert (value["map"], value["try_number"]) == ("r", 2)
    assert task_instance == TASK.to_json()


def test_where_triggers_cannot_write_xcoms_nothing_is_tried(
    trigger: CanfarSessionTrigger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older Airflow's triggerer may end with an error."""
    trigger.trigger_id = 7
    monkeypatch.setattr(_airflow_compat, "trigger_xcom_set", lambda: None)
    assert trigger._progress_write() is None


@pytest.mark.parametrize(
    ("has_aset", "is_plain", "can_write"),
    [(True, True, True), (False, True, False), (True, False, False)],
)
def test_a_trigger_writes_xcoms_where_airflow_can_and_no_backend_may_block(
    monkeypatch: pytest.MonkeyPatch, has_aset: bool, is_plain: bool, can_write: bool
) -> None:
    class Backend(BaseXCom):
        if not is_plain:

            @staticmethod
            def serialize_value(*_: Any, **__: Any) -> str:
                return "s3://somewhere"

    monkeypatch.setattr(Backend, "aset", (lambda: None) if has_aset else None, raising=False)
    monkeypatch.setattr(xcom_module, "XCom", Backend)
    assert (_airflow_compat.trigger_xcom_set() is not None) is can_write
