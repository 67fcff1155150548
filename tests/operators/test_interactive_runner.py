"""The loop of an interactive task, on a platform in memory: what no real one does on demand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from airflow_provider_canfar.operators._interactive_runner import InteractiveRunner
from airflow_provider_canfar.skaha.errors import SessionError
from airflow_provider_canfar.skaha.models import SessionSpec
from airflow_provider_canfar.skaha.naming import Identity
from airflow_provider_canfar.task_sessions.batch import AssignedSession, Batch
from airflow_provider_canfar.task_sessions.run_options import RunOptions
from airflow_provider_canfar.task_sessions.wait_spec import WakeEvent, WakeReason
from tests.fake_hook import Deferred, FakeHook, defer
from tests.fake_platform import FakePlatform

if TYPE_CHECKING:
    from airflow_provider_canfar.hooks.canfar import CanfarHook

IDENTITY = Identity("inspect", "k3v5x2qamd", 0)


def opening(platform: FakePlatform, batch: Batch, **state: Any) -> InteractiveRunner:
    """Make one phase of a task."""
    return InteractiveRunner(
        hook=cast("CanfarHook", FakeHook(platform)),
        spec=SessionSpec(name="inspect", image="skaha/astroml:24.07"),
        batch=batch,
        keep_alive_for=3600.0 if "keep_until" in state else None,
        keep_until=state.get("keep_until"),
        deadline=None,
        options=RunOptions(),
        emit=lambda line: None,
    )


def run(runner: InteractiveRunner, wake: WakeEvent | None = None) -> None:
    """Run the phase to its end."""
    runner.run(wake, publish=lambda *, whole: None, defer=defer)


def test_a_session_that_has_ended_since_an_earlier_try_is_replaced() -> None:
    """That try's worker had died without a word; by now nobody can open its session any more."""
    platform = FakePlatform()
    old = platform.add(str(IDENTITY.name(1, 1)), "Completed")
    runner = opening(platform, Batch(IDENTITY, 2, 1))
    with pytest.raises(Deferred):
        run(runner)
    assert old.destroyed
    assert [row.name for row in platform.record[1:]] == [str(IDENTITY.name(1, 2))]


def test_an_ended_session_that_cannot_be_destroyed_is_no_endless_loop() -> None:
    platform = FakePlatform()
    old = platform.add(str(IDENTITY.name(1, 1)), "Completed")
    platform.undying.add(old.session_id)
    with pytest.raises(SessionError, match="could not be destroyed"):
        run(opening(platform, Batch(IDENTITY, 2, 1)))


def test_a_session_whose_end_nobody_saw_while_it_was_kept_was_ended_by_its_user() -> None:
    platform = FakePlatform()
    gone = platform.add(str(IDENTITY.name(1, 1)))
    gone.vanish()
    batch = Batch(IDENTITY, 1, 1, launched={1: AssignedSession(gone.session_id, gone.name)})
    run(
        opening(platform, batch, keep_until=2_000_000_000.0),
        WakeEvent(WakeReason.ENDED, gone=(gone.session_id,)),
    )
    assert len(platform.record) == 1


def test_a_session_that_is_gone_before_it_was_open_fails_the_task() -> None:
    platform = FakePlatform()
    gone = platform.add(str(IDENTITY.name(1, 1)))
    gone.vanish()
    batch = Batch(IDENTITY, 1, 1, launched={1: AssignedSession(gone.session_id, gone.name)})
    with pytest.raises(SessionError, match="ended before it could be opened: Gone"):
        run(opening(platform, batch), WakeEvent(WakeReason.ENDED, gone=(gone.session_id,)))


def test_a_session_is_kept_through_a_preemption() -> None:
    """It is Pending again for a while; it is neither opened anew nor given up."""
    platform = FakePlatform()
    session = platform.add(str(IDENTITY.name(1, 1)))
    session.preempt()
    batch = Batch(IDENTITY, 1, 1, launched={1: AssignedSession(session.session_id, session.name)})
    with pytest.raises(Deferred) as wait:
        run(opening(platform, batch, keep_until=2_000_000_000.0))
    assert wait.value.args[0].keep_until == 2_000_000_000.0
    assert platform.live() == [session]


def test_a_session_that_is_kept_wakes_no_worker_while_nothing_happens() -> None:
    platform = FakePlatform()
    session = platform.add(str(IDENTITY.name(1, 1)))
    batch = Batch(IDENTITY, 1, 1, launched={1: AssignedSession(session.session_id, session.name)})
    runner = opening(platform, batch, keep_until=2_000_000_000.0)
    with pytest.raises(Deferred) as wait:
        run(runner)
    assert wait.value.args[0].keep_until == 2_000_000_000.0
    assert wait.value.args[0].retry_at is None
