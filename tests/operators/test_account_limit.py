"""Tasks that share an account's places with whatever else launches sessions there, on the emulator."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_canfar.hooks._airflow_compat import AirflowFailException
from airflow_provider_canfar.hooks._task_instance import TaskInstanceId
from airflow_provider_canfar.hooks.canfar import CanfarHook
from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator
from airflow_provider_canfar.skaha.errors import SessionTimeout, SpecError
from dev.waiting import wait_until
from tests.fake_task import FakeTask
from tests.on_emulator import IMAGE, launch, run, shown

if TYPE_CHECKING:
    from airflow_provider_canfar.testing import Emulator

Make = Callable[..., FakeTask]


@pytest.fixture(name="task", params=[True, False], ids=["deferrable", "in the worker"])
def _task(
    request: pytest.FixtureRequest,
    platform: Emulator,
    quick_triggers: None,
    monkeypatch: pytest.MonkeyPatch,
) -> Make:
    """Make a task that looks often, and waits in either way."""
    monkeypatch.setattr(TaskInstanceId, "state", lambda self: "running")
    monkeypatch.setattr("airflow_provider_canfar.task_sessions.account_wait.SLOT_DELAY", 0.3)

    def make(*argv: str, **settings: Any) -> FakeTask:
        standard: dict[str, Any] = {
            "task_id": "stars",
            "image": IMAGE,
            "command": list(argv),
            "poll_interval": 0.2,
            "deferrable": request.param,
        }
        return FakeTask(partial(CanfarHeadlessOperator, **(standard | settings)))

    return make


def most_alive(platform: Emulator) -> int:
    """Return how many sessions were alive at once at most."""
    record = platform.all_sessions()
    starts: list[float] = [one["created"] for one in record]
    ends: list[float] = [one["ended"] or one["deleted"] or float("inf") for one in record]
    lives = list(zip(starts, ends, strict=True))
    return max(sum(start <= moment < end for start, end in lives) for moment in starts)


def end_later(session_id: str, after: float = 1.0) -> threading.Timer:
    """Destroy somebody else's session in a while."""
    timer = threading.Timer(after, lambda: CanfarHook().destroy(session_id))
    timer.start()
    return timer


def test_no_more_are_alive_in_the_account_than_may_be(platform: Emulator, task: Make) -> None:
    launch("a-colleagues-1", "sleep", "60")
    launch("a-colleagues-2", "sleep", "60")
    outcomes = run(task("sleep", "0.3", replicas=5, max_account_sessions=4))
    assert [outcome["succeeded"] for outcome in outcomes] == [True] * 5
    assert most_alive(platform) <= 4


def test_a_task_without_any_session_waits_for_a_place(platform: Emulator, task: Make) -> None:
    timer = end_later(launch("a-colleagues-1", "sleep", "60"))
    outcomes = run(task("true", replicas=2, max_account_sessions=1))
    timer.join()
    assert [outcome["succeeded"] for outcome in outcomes] == [True, True]
    assert most_alive(platform) == 1


def test_it_says_why_it_waits(platform: Emulator, task: Make) -> None:
    timer = end_later(launch("a-colleagues-1", "sleep", "60"))
    with shown() as lines:
        run(task("true", max_account_sessions=1))
    timer.join()
    assert "Replicas are queued. max_account_sessions=1; the account has 1 sessions." in lines


def test_pending_sessions_have_a_limit_of_their_own(platform: Emulator, task: Make) -> None:
    platform.configure(start_delay=1.0)
    launch("a-colleagues-1", "sleep", "60")
    outcomes = run(task("true", replicas=3, max_pending_account_sessions=2, max_account_sessions=10))
    assert [outcome["succeeded"] for outcome in outcomes] == [True] * 3
    first, *own = sorted(platform.all_sessions(), key=lambda one: one["created"])
    assert own[1]["created"] >= first["started"]


def test_only_sessions_with_a_prefix_and_the_tasks_own_count(platform: Emulator, task: Make) -> None:
    for number in (1, 2, 3):
        launch(f"a-colleagues-{number}", "sleep", "60")
    limits = {"max_account_sessions": 2, "account_sessions_prefix": "Survey-"}
    timer = end_later(launch("survey-1", "sleep", "60"))
    outcomes = run(task("sleep", "0.3", replicas=3, **limits))
    timer.join()
    assert [outcome["succeeded"] for outcome in outcomes] == [True] * 3
    assert most_alive(platform) == 5


def test_interactive_sessions_do_not_count(platform: Emulator, task: Make) -> None:
    launch("inspect", kind="notebook")
    assert run(task("true", max_account_sessions=1))[0]["succeeded"]


def test_both_limits_hold_beside_the_tasks_own(platform: Emulator, task: Make) -> None:
    outcomes = run(task("sleep", "0.3", replicas=4, max_active_replicas=1, max_account_sessions=10))
    assert [outcome["succeeded"] for outcome in outcomes] == [True] * 4
    assert most_alive(platform) == 1


def test_a_task_that_does_not_wait_for_its_sessions_waits_for_places(platform: Emulator, task: Make) -> None:
    timer = end_later(launch("a-colleagues-1", "sleep", "60"))
    sessions = run(task("sleep", "60", replicas=2, max_account_sessions=2, wait_for_completion=False))
    timer.join()
    assert {one["session_id"] for one in sessions} == {one["id"] for one in platform.live()}
    assert most_alive(platform) == 2


def test_a_held_task_runs_out_of_time(platform: Emulator, task: Make) -> None:
    launch("a-colleagues-1", "sleep", "60")
    stars = task("true", max_account_sessions=1, execution_timeout=timedelta(seconds=1))
    with pytest.raises(SessionTimeout):
        run(stars)
    assert len(platform.all_sessions()) == 1


def test_failures_of_its_own_end_a_held_task(platform: Emulator, task: Make) -> None:
    launch("a-colleagues-1", "sleep", "60")
    with pytest.raises(Exception, match="1 of 3 replicas failed"):
        run(task("false", replicas=3, max_account_sessions=2, max_active_replicas=1))
    wait_until(lambda: len(platform.live()) == 1, description="only the colleague's to live", timeout=20)
    assert len(platform.all_sessions()) == 2


def test_a_large_account_is_counted_too(
    platform: Emulator, task: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its polls list ended sessions only, with a full list now and then."""
    monkeypatch.setattr("airflow_provider_canfar.skaha.polling.session_cache.LARGE_LIST_BYTES", 1)
    monkeypatch.setattr("airflow_provider_canfar.skaha.polling.session_cache.URGENT_FULL_LIST_INTERVAL", 2.0)
    launch("a-colleagues-1", "sleep", "2")
    outcomes = run(task("true", replicas=2, max_account_sessions=1))
    assert [outcome["succeeded"] for outcome in outcomes] == [True, True]
    assert most_alive(platform) == 1


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"max_account_sessions": 0}, "Invalid max_account_sessions 0"),
        ({"max_pending_account_sessions": "many"}, "Invalid max_pending_account_sessions 'many'"),
        (
            {"account_sessions_prefix": "a_b", "max_account_sessions": 1},
            "Invalid account_sessions_prefix 'a_b'",
        ),
        (
            {"account_sessions_prefix": "survey-"},
            "Invalid account_sessions_prefix 'survey-'.*Give max_account",
        ),
    ],
)
def test_an_invalid_limit_fails_when_the_dag_file_is_parsed(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(SpecError, match=reason):
        CanfarHeadlessOperator(task_id="stars", image=IMAGE, command=["true"], **settings)


def test_a_limit_that_renders_to_nothing_fails_before_any_request(platform: Emulator) -> None:
    stars = CanfarHeadlessOperator(
        task_id="stars", image=IMAGE, command=["true"], max_account_sessions="{{ params.limit }}"
    )
    stars.max_account_sessions = ""
    platform.forget_requests()
    with pytest.raises(AirflowFailException, match="Invalid max_account_sessions"):
        stars.execute(FakeTask(lambda: stars).context)
    assert not platform.requests()
