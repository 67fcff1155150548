"""The headless operator on the emulator: real sessions, and a context as Airflow would give it."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_canfar.hooks._airflow_compat import AirflowFailException, TaskDeferred
from airflow_provider_canfar.hooks._task_instance import TaskInstanceId
from airflow_provider_canfar.operators._phase_errors import CredentialRefused, Killed
from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator
from airflow_provider_canfar.skaha.errors import (
    AuthenticationError,
    SessionFailed,
    SessionTimeout,
)
from airflow_provider_canfar.task_sessions.wait_spec import RECORD_WITHIN, WakeEvent, WakeReason
from airflow_provider_canfar.testing import CONNECTION_VARIABLE, Emulator, running_emulator
from airflow_provider_canfar.triggers import _base as trigger_module
from airflow_provider_canfar.triggers.session import CanfarSessionTrigger
from dev.waiting import wait_until
from tests.fake_task import FakeTask
from tests.on_emulator import IMAGE, die_after_the_launch, shown

if TYPE_CHECKING:
    from airflow.triggers.base import TriggerEvent

Make = Callable[..., FakeTask]


@pytest.fixture(name="platform")
def _platform(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """Start an emulator, and let the default connection lead to it."""
    with running_emulator(start_delay=0.0) as emulator:
        monkeypatch.setenv(
            "AIRFLOW_CONN_CANFAR_DEFAULT",
            f'{{"conn_type": "canfar", "host": "{emulator.url}", "password": "{emulator.token}"}}',
        )
        yield emulator


@pytest.fixture(name="task")
def _task(monkeypatch: pytest.MonkeyPatch) -> Make:
    """Make a task that waits in the worker and looks often."""
    # Only inside a worker does Airflow answer how a task stands.
    monkeypatch.setattr(TaskInstanceId, "state", lambda self: "running")

    def make(*argv: str, **settings: Any) -> FakeTask:
        standard: dict[str, Any] = {
            "task_id": "stars",
            "image": IMAGE,
            "command": list(argv),
            "deferrable": False,
            "poll_interval": 0.2,
        }
        return FakeTask(partial(CanfarHeadlessOperator, **(standard | settings)))

    return make


def created(platform: Emulator) -> Counter[str]:
    """Count the sessions that were ever created for each replica."""
    return Counter(session["replica_id"] for session in platform.all_sessions())


def test_a_private_image_is_launched_with_the_credentials_of_the_connection(
    platform: Emulator, task: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = "images.canfar.net/my-project/my-image:1.0"
    with pytest.raises(AirflowFailException, match=rf"'{image}'.*registry_secret.*unknown or private image"):
        task("true", image=image).run()
    extra = {"registry_username": "mcurie", "registry_secret": "a-cli-secret"}
    monkeypatch.setenv(CONNECTION_VARIABLE, json.dumps({**platform.connection, "extra": extra}))
    (outcome,) = task("true", image=image).run()
    assert outcome["succeeded"]


def test_each_replica_runs_and_is_told_which_it_is(platform: Emulator, task: Make) -> None:
    outcomes = task("sh", "-c", "test $REPLICA_COUNT = 3", replicas=3).run()
    assert [outcome["replica"] for outcome in outcomes] == [1, 2, 3]
    assert {outcome["status"] for outcome in outcomes} == {"Completed"}
    assert created(platform) == {"1": 1, "2": 1, "3": 1}


def test_a_task_that_was_deferred_says_why_it_resumes(platform: Emulator, task: Make) -> None:
    stars = task("sleep", "2", deferrable=True)
    deferred = stars.defer()
    wait_until(lambda: not platform.live(), description="the session to end", timeout=20)
    with shown() as lines:
        stars.resume(deferred, {"reason": "all sessions have ended"})
    assert lines[0] == "Resuming: all sessions have ended."


@pytest.mark.usefixtures("platform")
def test_a_task_that_waits_in_the_worker_never_resumes(task: Make) -> None:
    with shown() as lines:
        task("true").run()
    assert lines
    assert not any(line.startswith("Resuming") for line in lines)


def test_a_name_may_begin_with_a_digit_and_a_retry_knows_it_again(
    platform: Emulator, task: Make, tmp_path: Any
) -> None:
    mark = tmp_path / "mended"
    stars = task("sh", "-c", f"test $REPLICA_ID != 2 || test -e {mark}", name="3C273", replicas=2, retries=1)
    with pytest.raises(SessionFailed):
        stars.run()
    mark.touch()
    stars.retry()
    assert [outcome["succeeded"] for outcome in stars.run()] == [True, True]
    assert created(platform) == {"1": 1, "2": 2}
    assert all(session["name"].startswith("3c273-") for session in platform.all_sessions())


def test_the_ids_are_known_before_the_wait(platform: Emulator, task: Make) -> None:
    stars = task("true", replicas=2)
    stars.run()
    listed = {(one["session_id"], one["name"]) for one in stars.ti.xcoms["sessions"]}
    assert listed == {(session["id"], session["name"]) for session in platform.all_sessions()}


def test_the_progress_says_how_far_the_task_is(platform: Emulator, task: Make) -> None:
    stars = task("sh", "-c", "test $REPLICA_ID != 2", replicas=3, max_failed_replicas=1)
    stars.run()
    progress = stars.ti.xcoms["progress"]
    assert (progress["version"], progress["replicas"], progress["map"]) == (1, 3, "sfs")
    assert progress["counts"] == {"waiting": 0, "pending": 0, "running": 0, "succeeded": 2, "failed": 1}
    assert progress["since"] <= progress["updated"]


def test_the_table_at_the_end_makes_another_line_of_progress_needless(platform: Emulator, task: Make) -> None:
    with shown() as lines:
        task("true", replicas=3).run()
    assert len([line for line in lines if line.startswith("3 of 3 done")]) == 1


def test_logs_reach_the_task_s_log_failed_ones_first(platform: Emulator, task: Make) -> None:
    stars = task("sh", "-c", "echo I am $REPLICA_ID; test $REPLICA_ID != 2", replicas=3)
    with pytest.raises(SessionFailed), shown() as lines:
        stars.run()
    # The last one is of the error.
    assert [line for line in lines if line.startswith("I am")] == ["I am 2", "I am 1", "I am 3", "I am 2"]


def test_a_failure_names_the_replica_its_session_and_its_last_lines(platform: Emulator, task: Make) -> None:
    stars = task("sh", "-c", "echo the tile is empty; exit $((REPLICA_ID == 2 ? 3 : 0))", replicas=2)
    with pytest.raises(SessionFailed) as failure:
        stars.run()
    (session,) = [one for one in platform.all_sessions() if one["replica_id"] == "2"]
    assert str(failure.value) == "1 of 2 replicas failed."
    (message,) = failure.value.__notes__
    assert "Replica 2" in message
    assert session["id"] in message
    assert "the tile is empty" in message
    assert (failure.value.session_id, failure.value.replica) == (session["id"], 2)


def test_a_failure_that_leaves_nothing_to_destroy_does_not_speak_of_it(
    platform: Emulator, task: Make
) -> None:
    with pytest.raises(SessionFailed), shown() as lines:
        task("false").run()
    assert lines
    assert not any("the sessions of this task" in line for line in lines)


def test_as_many_may_fail_as_the_author_says(platform: Emulator, task: Make) -> None:
    with shown() as lines:
        outcomes = task("sh", "-c", "test $REPLICA_ID != 2", replicas=3, max_failed_replicas=1).run()
    assert [outcome["succeeded"] for outcome in outcomes] == [True, False, True]
    assert "1 of 3 replicas failed, which max_failed_replicas=1 allows: replica 2." in lines


def test_a_retry_runs_only_what_failed(platform: Emulator, task: Make, tmp_path: Any) -> None:
    mark = tmp_path / "mended"
    stars = task("sh", "-c", f"test $REPLICA_ID != 2 || test -e {mark}", replicas=3, retries=1)
    with pytest.raises(SessionFailed):
        stars.run()
    mark.touch()
    stars.retry()
    outcomes = stars.run()
    assert [outcome["succeeded"] for outcome in outcomes] == [True, True, True]
    assert created(platform) == {"1": 1, "2": 2, "3": 1}


@pytest.mark.parametrize("remembers", [True, False])
def test_what_succeeded_stays_so_when_the_platform_has_forgotten_it_and_airflow_remembers(
    platform: Emulator, task: Make, tmp_path: Any, *, remembers: bool
) -> None:
    mark = tmp_path / "mended"
    stars = task("sh", "-c", f"test $REPLICA_ID != 2 || test -e {mark}", replicas=2, retries=1)
    if not remembers:
        stars.store = None
    with pytest.raises(SessionFailed):
        stars.run()
    for session in platform.all_sessions():
        platform.vanish(session["id"])
    mark.touch()
    stars.retry()
    stars.run()
    assert created(platform) == {"1": 1 if remembers else 2, "2": 2}


def test_a_retry_adopts_what_is_alive(platform: Emulator, task: Make) -> None:
    """The worker dies without a word after its launch; the next one goes on with its session."""
    stars = task("sleep", "2", deferrable=True, retries=1)
    stars.defer()
    stars.retry()
    stars.make = task("sleep", "2", retries=1).make
    assert [outcome["succeeded"] for outcome in stars.run()] == [True]
    assert created(platform) == {"1": 1}


def test_a_clear_destroys_what_is_alive_and_starts_afresh(platform: Emulator, task: Make) -> None:
    stars = task("sleep", "60", deferrable=True)
    stars.defer()
    stars.clear()
    stars.make = task("true").make
    stars.run()
    first, second = platform.all_sessions()
    assert first["deleted"] is not None
    assert second["exit_code"] == 0
    assert not platform.live()


@pytest.mark.parametrize(("on_clear", "second_time"), [("fresh", ["1", "2", "3"]), ("resume", ["2"])])
def test_a_clear_can_resume_what_had_failed(
    platform: Emulator, task: Make, tmp_path: Any, on_clear: str, second_time: list[str]
) -> None:
    mark = tmp_path / "mended"
    stars = task("sh", "-c", f"test $REPLICA_ID != 2 || test -e {mark}", replicas=3, on_clear=on_clear)
    with pytest.raises(SessionFailed):
        stars.run()
    before = len(platform.all_sessions())
    mark.touch()
    stars.clear()
    stars.run()
    assert sorted(session["replica_id"] for session in platform.all_sessions()[before:]) == second_time


def test_no_more_are_alive_at_once_than_may_be(platform: Emulator, task: Make) -> None:
    outcomes = task("sleep", "0.3", replicas=5, max_active_replicas=2).run()
    assert len(outcomes) == 5
    record = platform.all_sessions()
    for session in record:
        others = [
            one
            for one in record
            if one["created"] <= session["created"] and (one["ended"] or 0.0) > session["created"]
        ]
        assert len(others) <= 2


def test_a_deferred_task_goes_on_with_what_its_trigger_has_seen(
    platform: Emulator, task: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trigger_module, "NO_EVENT_WITHIN", 0.0)
    stars = task("true", replicas=2, deferrable=True)
    stars.make.keywords["poll_interval"] = 0.1  # type: ignore[attr-defined]  # a partial has keywords
    deferred = stars.defer()
    assert isinstance(deferred.trigger, CanfarSessionTrigger)
    event = watch(deferred.trigger)
    assert event["reason"] == "all sessions have ended"
    assert len(event["ended"]["Completed"]) == 2
    outcomes = stars.resume(deferred, event)
    assert [outcome["status"] for outcome in outcomes] == ["Completed", "Completed"]


def test_an_end_that_the_platform_has_forgotten_since_is_not_lost(
    platform: Emulator, task: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trigger_module, "NO_EVENT_WITHIN", 0.0)
    stars = task("true", deferrable=True)
    deferred = stars.defer()
    assert isinstance(deferred.trigger, CanfarSessionTrigger)
    event = watch(deferred.trigger)
    platform.vanish(platform.all_sessions()[0]["id"])
    assert [outcome["status"] for outcome in stars.resume(deferred, event)] == ["Completed"]


def watch(trigger: CanfarSessionTrigger) -> dict[str, Any]:
    """Run a trigger to its event, from the arguments that Airflow stores."""
    _, kwargs = trigger.serialize()

    async def first() -> TriggerEvent:
        return await anext(CanfarSessionTrigger(**kwargs).run())

    payload: dict[str, Any] = asyncio.run(first()).payload
    return payload


def test_a_task_that_ran_out_of_time_leaves_nothing_running(platform: Emulator, task: Make) -> None:
    stars = task("sleep", "60", replicas=2, execution_timeout=timedelta(seconds=1))
    with pytest.raises(SessionTimeout, match="their sessions are destroyed"):
        stars.run()
    assert len(platform.all_sessions()) == 2
    assert not platform.live()


def test_a_task_that_ran_out_of_time_says_that_its_sessions_run_on(platform: Emulator, task: Make) -> None:
    stars = task("sleep", "60", execution_timeout=timedelta(seconds=1), destroy_on_kill=False)
    with pytest.raises(SessionTimeout, match="its session is left running"):
        stars.run()
    assert len(platform.live()) == 1


def test_a_kill_destroys_the_sessions(platform: Emulator, task: Make) -> None:
    stars = task("sleep", "60", deferrable=True)
    stars.defer()
    stars.operator.on_kill()
    assert not platform.live()


def test_a_kill_leaves_the_sessions_where_the_author_wants_that(platform: Emulator, task: Make) -> None:
    stars = task("sleep", "60", deferrable=True, destroy_on_kill=False)
    stars.defer()
    stars.operator.on_kill()
    assert len(platform.live()) == 1


def test_a_task_that_was_killed_while_it_launched_leaves_nothing_running(
    platform: Emulator, task: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow would refuse its deferral, and then call no on_kill."""
    stars = task("sleep", "60", replicas=3, deferrable=True)
    monkeypatch.setattr(TaskInstanceId, "state", lambda self: "failed")
    with pytest.raises(Killed, match="marked failed"):
        stars.run()
    assert len(platform.all_sessions()) == 3
    assert not platform.live()


def test_a_task_that_was_killed_before_it_came_to_its_launch_launches_nothing(
    platform: Emulator, task: Make
) -> None:
    """Airflow goes on with execute after an on_kill."""
    stars = task("sleep", "60", deferrable=True)
    operator = stars.make()
    operator.on_kill()
    with pytest.raises(Killed):
        operator.execute(stars.context)
    assert not platform.all_sessions()


@pytest.mark.parametrize("run_starts_anew", [False, True])
def test_what_a_dead_worker_has_launched_is_found_after_a_clear(
    platform: Emulator, task: Make, monkeypatch: pytest.MonkeyPatch, *, run_starts_anew: bool
) -> None:
    """Clearing a task of a finished run resets the run's start, of which the key in the names is made."""
    stars = task("sleep", "60", deferrable=True)

    die_after_the_launch(stars, monkeypatch)
    assert len(platform.live()) == 1
    if run_starts_anew:
        stars.dag_run.start_date = datetime(2026, 3, 5, tzinfo=UTC)
    stars.clear()
    stars.make = task("true").make
    stars.run()
    assert not platform.live()
    assert len(platform.all_sessions()) == 2


def test_a_try_goes_on_with_the_number_of_replicas_that_it_has_begun_with(
    platform: Emulator, task: Make
) -> None:
    """A template may render another one after a deferral."""
    stars = task("sh", "-c", "test $REPLICA_COUNT = 3", replicas=3, max_active_replicas=1, deferrable=True)
    deferred = stars.defer()
    stars.make = task("sh", "-c", "test $REPLICA_COUNT = 3", replicas=2, max_active_replicas=1).make
    outcomes = stars.resume(deferred, WakeEvent(WakeReason.SLOTS).to_json())
    assert [outcome["succeeded"] for outcome in outcomes] == [True, True, True]


def test_a_retry_with_another_number_of_replicas_starts_afresh(platform: Emulator, task: Make) -> None:
    """Each has another share of the work: neither what is done nor what is under way is of any use."""
    script = "test $REPLICA_ID != 2 && sleep $((REPLICA_ID == 3 ? 60 : 0))"
    stars = task("sh", "-c", script, replicas=3, deferrable=True, retries=1)
    stars.defer()
    wait_until(lambda: len(platform.live()) == 1, description="two to have ended", timeout=20)
    stars.retry()
    stars.make = task("true", replicas=2, retries=1).make
    outcomes = stars.run()
    assert [outcome["name"].rpartition("-")[2] for outcome in outcomes] == ["2", "2"]
    assert created(platform) == {"1": 2, "2": 2, "3": 1}
    assert not platform.live()


def test_a_credential_refused_in_the_worker_leaves_what_runs_to_a_retry(
    platform: Emulator, task: Make
) -> None:
    stars = task("sleep", "60", deferrable=True)
    deferred = stars.defer()
    platform.faults(expired_token={})
    with pytest.raises(CredentialRefused, match="still run"):
        stars.resume(deferred, WakeEvent(WakeReason.RECORD).to_json())
    platform.clear_faults()
    assert len(platform.live()) == 1
    stars.operator.on_kill()


@pytest.mark.parametrize("reason", [WakeReason.RECORD, WakeReason.REFUSED])
def test_a_callback_knows_a_refused_credential_by_its_public_class(
    platform: Emulator, task: Make, reason: WakeReason
) -> None:
    """In the worker and in the triggerer. It is retryable all the same."""
    stars = task("sleep", "60", deferrable=True)
    deferred = stars.defer()
    platform.faults(expired_token={})
    with pytest.raises(AuthenticationError) as refusal:
        stars.resume(deferred, WakeEvent(reason, message="the token has expired").to_json())
    assert refusal.value.retryable
    (note,) = refusal.value.__notes__
    assert "a retry of this task, if one is left, then adopts them. Clearing the task destroys them" in note
    assert note.endswith(" and launches another.")
    platform.clear_faults()
    stars.operator.on_kill()


def test_a_retry_whose_credential_is_still_expired_leaves_the_sessions_to_the_retry_after_it(
    platform: Emulator, task: Make
) -> None:
    """What an earlier try has launched is not known before the first list."""
    stars = task("sh", "-c", "sleep 2", replicas=2, deferrable=True, retries=3)
    deferred = stars.defer()
    platform.faults(expired_token={})
    with pytest.raises(CredentialRefused):
        stars.resume(deferred, WakeEvent(WakeReason.REFUSED, message="the token has expired").to_json())
    stars.retry()
    with pytest.raises(CredentialRefused) as refusal:
        stars.run()
    (note,) = refusal.value.__notes__
    assert "Sessions of earlier tries of this task may still be running. Renew the credential" in note
    assert note.endswith("launches all replicas again (with on_clear='resume', those without success).")
    platform.clear_faults()
    assert len(platform.live()) == 2
    stars.retry()
    stars.make = task("sh", "-c", "sleep 2", replicas=2, retries=3).make
    assert [outcome["succeeded"] for outcome in stars.run()] == [True, True]
    assert created(platform) == {"1": 1, "2": 1}


def test_a_first_try_whose_credential_is_refused_fails_at_once(platform: Emulator, task: Make) -> None:
    platform.faults(expired_token={})
    with pytest.raises(AirflowFailException, match="AuthenticationError"):
        task("true", retries=3).run()


def test_a_trigger_that_failed_takes_the_sessions_down(platform: Emulator, task: Make) -> None:
    """Airflow resumes a task whose trigger has died, or timed out, with a method name of its own."""
    stars = task("sleep", "60", deferrable=True)
    stars.defer()
    with pytest.raises(Exception, match="Trigger timeout"):
        stars.operator.resume_execution("__fail__", {"error": "Trigger timeout"}, stars.context)
    assert not platform.live()


def test_a_wait_knows_when_it_began_and_how_soon_an_end_is_recorded(platform: Emulator, task: Make) -> None:
    """A triggerer that was restarted then knows how old an end may be that it sees at its first look."""
    before = time.time()
    trigger = task("true", deferrable=True).defer().trigger
    assert isinstance(trigger, CanfarSessionTrigger)
    assert trigger.wait_spec is not None
    assert before <= trigger.wait_spec["since"] <= time.time()
    assert trigger.wait_spec["record_within"] == RECORD_WITHIN


def test_what_the_platform_rejects_fails_for_good_and_leaves_nothing(platform: Emulator, task: Make) -> None:
    with pytest.raises(AirflowFailException, match=r"must come from one of \[images.canfar.net\]"):
        task("true", image="docker.io/library/python:3.12", replicas=3).run()
    assert not platform.all_sessions()


def test_ended_sessions_are_kept_or_destroyed_as_the_author_wants(platform: Emulator, task: Make) -> None:
    with pytest.raises(SessionFailed):
        task("sh", "-c", "test $REPLICA_ID = 1", replicas=2, on_finish_action="destroy_succeeded").run()
    deleted = {one["replica_id"]: one["deleted"] is not None for one in platform.all_sessions()}
    assert deleted == {"1": True, "2": False}


def test_a_dry_run_shows_what_would_be_created_and_no_value_of_the_environment(
    platform: Emulator, task: Make
) -> None:
    with shown() as lines:
        task("true", replicas=2, env={"TOKEN": "canary"}).operator.dry_run()
    assert "Replica 2: env=TOKEN=***" in lines
    assert not [line for line in lines if "canary" in line]
    assert not platform.requests()


def test_without_a_state_store_a_task_resumes_with_what_its_xcoms_have(
    platform: Emulator, task: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow 3.1 and 3.2 have none, and clear the XComs only when a try begins."""
    monkeypatch.setattr(trigger_module, "NO_EVENT_WITHIN", 0.0)
    stars = task("true", replicas=3, max_active_replicas=1, deferrable=True)
    stars.store = None
    deferred = stars.defer()
    for _ in range(2):
        event = watch(deferred.trigger)
        platform.vanish(platform.all_sessions()[-1]["id"])
        with pytest.raises(TaskDeferred) as again:
            stars.resume(deferred, event)
        deferred = again.value
    outcomes = stars.resume(deferred, watch(deferred.trigger))
    assert [outcome["replica"] for outcome in outcomes] == [1, 2, 3]
    assert created(platform) == {"1": 1, "2": 1, "3": 1}
