"""The trigger of a task's sessions: whom it kills, and whom it leaves alone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_canfar.hooks._task_instance import TaskInstanceId
from airflow_provider_canfar.task_sessions.wait_spec import WaitSpec
from airflow_provider_canfar.triggers import session as trigger_module
from airflow_provider_canfar.triggers.session import OVER, CanfarSessionTrigger
from tests.on_emulator import launch, shown, stored

if TYPE_CHECKING:
    from airflow_provider_canfar.testing import Emulator

TASK = TaskInstanceId("survey", "manual__2026", "stars", 3)
NAME = "stars-k3v5x2qamd-0-1-1"


@pytest.fixture(name="trigger")
def _trigger(platform: Emulator) -> CanfarSessionTrigger:
    """Make the trigger of a task with one session, which runs, as a triggerer does."""
    session_id = launch(NAME, "sleep", "60")
    wait_spec = WaitSpec("k3v5x2qamd", {session_id: NAME}).to_json()
    trigger = stored(
        CanfarSessionTrigger(wait_spec=wait_spec, poll_interval=0.2, task_instance=TASK.to_json())
    )
    assert isinstance(trigger, CanfarSessionTrigger)
    return trigger


def states(monkeypatch: pytest.MonkeyPatch, state: str | None) -> list[TaskInstanceId]:
    """Let Airflow say how the task stands, and collect who is asked after."""
    asked: list[TaskInstanceId] = []

    def answer(self: TaskInstanceId) -> str | None:
        asked.append(self)
        return state

    monkeypatch.setattr(TaskInstanceId, "state", answer)
    return asked


@pytest.mark.parametrize("state", sorted(OVER))
def test_the_sessions_of_a_task_that_is_over_are_destroyed(
    platform: Emulator, trigger: CanfarSessionTrigger, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    asked = states(monkeypatch, state)
    with shown() as lines:
        asyncio.run(trigger.on_kill())
    assert not platform.live()
    assert asked == [TASK]
    assert lines == [f"The task is {state}: 1 sessions destroyed."]


@pytest.mark.parametrize(
    "state", [None, "deferred", "scheduled", "queued", "running", "restarting", "up_for_retry"]
)
def test_the_sessions_of_a_task_that_goes_on_are_left_alone(
    platform: Emulator, trigger: CanfarSessionTrigger, monkeypatch: pytest.MonkeyPatch, state: str | None
) -> None:
    """Airflow kills, wrongly, a trigger that another triggerer has taken over, and that may have fired there.

    A task that was cleared stands just so; its next execute destroys what it does not adopt.
    """
    states(monkeypatch, state)
    asyncio.run(trigger.on_kill())
    assert len(platform.live()) == 1


def test_where_airflow_does_not_say_how_the_task_stands_its_sessions_are_left_alone(
    platform: Emulator, trigger: CanfarSessionTrigger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: TaskInstanceId) -> str:
        raise RuntimeError("the API server is away")

    monkeypatch.setattr(TaskInstanceId, "state", fail)
    with shown() as lines:
        asyncio.run(trigger.on_kill())
    assert len(platform.live()) == 1
    assert "Airflow did not say how the task stands: the API server is away" in lines


def test_an_author_may_want_that_a_kill_leaves_sessions_alone(
    platform: Emulator, trigger: CanfarSessionTrigger, monkeypatch: pytest.MonkeyPatch
) -> None:
    trigger.destroy_on_kill = False
    asked = states(monkeypatch, "failed")
    asyncio.run(trigger.on_kill())
    assert len(platform.live()) == 1
    assert asked == []


def test_a_kill_that_is_cancelled_each_second_is_done_all_the_same(
    platform: Emulator, trigger: CanfarSessionTrigger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow cancels a trigger again at each look, until it has ended; and may call for the kill twice."""
    states(monkeypatch, "failed")

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
    assert lines == ["The task is failed: 1 sessions destroyed."]


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
    states(monkeypatch, "failed")

    async def cancel() -> None:
        events: Any = trigger.run()
        running = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0.1)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(cancel())
    assert len(platform.live()) == live
