"""When a sensor's condition is met, and when it can no longer be."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.account_sessions.condition import (
    ConditionWatch,
    SessionCondition,
    wait_for_condition,
)
from airflow_provider_canfar.skaha.errors import Rejected, RequestError, ServerError, SpecError
from airflow_provider_canfar.skaha.models import Session
from airflow_provider_canfar.skaha.polling.session_tracker import LISTS_UNTIL_MISSING
from airflow_provider_canfar.skaha.polling.snapshot import Snapshot
from airflow_provider_canfar.skaha.selection import Selection

IDS = ("k3v9x2qa", "m0d4tt7z", "z1x7c3vb")
STATUSES = ["Pending", "Running", "Terminating", "Completed", "Failed", "Frozen"]


def sessions(*statuses: str) -> list[Session]:
    """Make a list in which the first ids have these statuses."""
    return [
        Session.model_validate(
            {"id": session_id, "name": f"survey-{number}", "type": "headless", "status": status}
        )
        for number, (session_id, status) in enumerate(zip(IDS, statuses, strict=False))
    ]


def is_met(condition: SessionCondition, *lists: list[Session]) -> bool | None:
    """Observe lists one after the other, and return whether the condition is met after the last."""
    condition_watch = ConditionWatch(condition)
    for listed in lists:
        condition_watch.observe(listed)
    return condition_watch.is_met()


def by_ids(count: int, **settings: Any) -> SessionCondition:
    return SessionCondition(Selection(ids=IDS[:count]), **settings)


BY_NAME = Selection(prefix="survey-")


def test_all_sessions_must_reach_the_status() -> None:
    assert is_met(by_ids(2), sessions("Completed", "Running")) is None
    assert is_met(by_ids(2), sessions("Completed", "Completed")) is True


def test_no_session_is_not_all_sessions() -> None:
    assert is_met(SessionCondition(BY_NAME), []) is None


def test_a_session_that_reached_the_status_and_was_forgotten_counts() -> None:
    _, second = sessions("Completed", "Completed")
    assert is_met(SessionCondition(BY_NAME), sessions("Completed", "Running"), [second]) is True


def test_a_session_that_has_run_and_was_preempted_counts_as_having_run() -> None:
    condition = by_ids(2, statuses=("Running",))
    assert is_met(condition, sessions("Running", "Pending"), sessions("Pending", "Running")) is True


def test_by_name_and_with_at_least_more_sessions_may_come() -> None:
    condition = SessionCondition(BY_NAME, at_least=2)
    assert is_met(condition, sessions("Completed", "Failed")) is None
    assert is_met(condition, sessions("Completed", "Failed", "Completed")) is True


def test_at_most_counts_the_sessions_that_are_in_the_statuses_now() -> None:
    condition = SessionCondition(BY_NAME, ("Pending",), at_most=1)
    assert is_met(condition, sessions("Pending", "Pending", "Running")) is None
    assert is_met(condition, sessions("Pending", "Running", "Running")) is True
    assert is_met(condition, sessions("Pending", "Pending"), sessions("Completed", "Pending")) is True
    assert is_met(condition, sessions("Running", "Running"), sessions("Pending", "Pending")) is None
    assert is_met(condition, []) is True


def test_at_most_counts_what_may_be_in_the_statuses() -> None:
    """An unknown status, and a session with a chosen id that no list has shown yet."""
    condition = SessionCondition(BY_NAME, ("Running",), at_most=0)
    assert is_met(condition, sessions("Frozen")) is None
    assert is_met(by_ids(2, statuses=("Running",), at_most=0), sessions("Completed")) is None


def test_at_most_needs_a_complete_list() -> None:
    """A poll for ended sessions shows no live ones."""
    watch = ConditionWatch(SessionCondition(BY_NAME, ("Running",), at_most=0))
    watch.observe([], is_complete=False)
    assert (watch.is_met(), watch.needs_list) == (None, True)
    watch.observe(sessions("Running"))
    assert (watch.is_met(), watch.needs_list) == (None, False)
    again = ConditionWatch(watch.condition, json.loads(json.dumps(watch.to_json())))
    again.observe(sessions("Completed"), is_complete=False)
    assert (again.is_met(), again.needs_list) == (True, False)


def test_at_most_remembers_no_session_that_has_ended() -> None:
    """A busy account has thousands, and Airflow stores the state."""
    watch = ConditionWatch(SessionCondition(BY_NAME, ("Running",), at_most=0))
    assert watch.observe(sessions("Running", "Completed")) == ["survey-0 k3v9x2qa: Running"]
    assert watch.observe(sessions("Failed", "Completed")) == ["survey-0 k3v9x2qa: Running → Failed"]
    assert watch.observe(sessions("Failed", "Completed")) == []
    assert watch.to_json()["rows"] == []


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"at_most": -1}, "at_most -1: must be 0 or more"),
        ({"at_most": 1, "at_least": 1}, "at_most 1 with at_least or fail_on"),
        ({"at_most": 1, "fail_on": ("Failed",)}, "at_most 1 with at_least or fail_on"),
        (
            {"at_most": 1, "statuses": ("Running", "Completed")},
            "'Completed' with at_most: a session never leaves",
        ),
    ],
)
def test_at_most_refuses_what_says_nothing_about_now(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(SpecError, match=reason):
        SessionCondition(BY_NAME, **({"statuses": ("Running",)} | settings))


def test_by_ids_no_more_sessions_can_come() -> None:
    assert is_met(by_ids(3, at_least=2), sessions("Failed", "Running", "Running")) is None
    assert is_met(by_ids(3, at_least=2), sessions("Failed", "Failed", "Running")) is False


def test_one_session_in_a_status_to_fail_on_is_enough() -> None:
    condition = by_ids(3, at_least=1, fail_on=("Failed",))
    assert is_met(condition, sessions("Completed", "Failed", "Running")) is False


def test_with_an_empty_fail_on_the_wait_goes_on_however_sessions_end() -> None:
    assert is_met(by_ids(1, fail_on=()), sessions("Failed")) is None


def test_a_session_is_gone_only_after_several_lists_and_a_404() -> None:
    condition_watch = ConditionWatch(by_ids(1))
    for _ in range(LISTS_UNTIL_MISSING):
        assert condition_watch.tracker.missing_ids() == []
        condition_watch.observe([])
    assert condition_watch.tracker.missing_ids() == [IDS[0]]
    assert condition_watch.is_met() is None
    condition_watch.update([], condition_watch.tracker.missing_ids())
    assert condition_watch.is_met() is False


def test_a_session_that_lists_omit_and_the_platform_knows_counts() -> None:
    condition_watch = ConditionWatch(by_ids(1))
    for _ in range(LISTS_UNTIL_MISSING):
        condition_watch.observe([])
    condition_watch.update(sessions("Completed"), [])
    assert condition_watch.is_met() is True


def test_a_session_that_is_listed_again_is_not_gone() -> None:
    condition_watch = ConditionWatch(by_ids(1, fail_on=()))
    condition_watch.update([], [IDS[0]])
    condition_watch.observe(sessions("Completed"))
    assert condition_watch.is_met() is True


def test_a_session_with_a_chosen_id_but_of_another_kind_does_not_count() -> None:
    of_kind = SessionCondition(Selection(ids=IDS[:1], kinds=("headless",)))
    of_another_kind = SessionCondition(Selection(ids=IDS[:1], kinds=("notebook",)))
    assert is_met(of_kind, sessions("Completed")) is True
    assert is_met(of_another_kind, sessions("Running")) is None
    assert is_met(of_another_kind, sessions("Completed")) is False


def test_it_says_what_it_waits_for_and_how_far_it_is() -> None:
    condition_watch = ConditionWatch(by_ids(3, at_least=2))
    condition_watch.observe(sessions("Completed", "Running"))
    assert str(condition_watch) == (
        "at least 2 of the sessions k3v9x2qa, m0d4tt7z, z1x7c3vb to be Completed; "
        "now: 1 Completed, 1 Running, 1 not listed yet"
    )


def test_it_says_that_no_session_has_been_listed() -> None:
    condition = SessionCondition(Selection(kinds=("notebook",)), ("Running",))
    condition_watch, wait = ConditionWatch(condition), "all sessions of kind notebook to be Running"
    assert str(condition_watch) == f"{wait}; now: the platform has not responded yet"
    condition_watch.observe([])
    assert str(condition_watch) == f"{wait}; now: no session"


@pytest.mark.parametrize(("fault", "raises"), [(Rejected("no"), True), (ServerError("later"), False)])
async def test_a_rejected_poll_ends_the_wait_and_an_outage_does_not(
    fault: RequestError, *, raises: bool
) -> None:
    class Subscription:
        """A poll that fails, and then one with the session."""

        async def __aenter__(self) -> Self:
            return self

        async def __aexit__(self, *_: object) -> None:
            pass

        async def __aiter__(self) -> AsyncIterator[Snapshot]:
            yield Snapshot(1.0, fault=fault, is_complete=False)
            yield Snapshot(2.0, tuple(sessions("Completed")))

        reader = None

    subscribe: Any = lambda **_: Subscription()  # noqa: E731 - it stands in for a function
    wait = wait_for_condition(ConditionWatch(by_ids(1)), subscribe, deadline=None, emit=lambda _: None)
    if raises:
        with pytest.raises(Rejected):
            await wait
    else:
        assert await wait is True


@given(st.lists(st.lists(st.sampled_from(STATUSES), max_size=3), max_size=6), st.data())
def test_an_unknown_or_living_session_is_never_a_success(lists: list[list[str]], data: st.DataObject) -> None:
    """Whatever the lists show, a met condition means that enough sessions were listed as Completed."""
    at_least = data.draw(st.none() | st.integers(1, 3))
    condition_watch = ConditionWatch(by_ids(3, at_least=at_least))
    completed: set[str] = set()
    for statuses in lists:
        listed = sessions(*statuses)
        condition_watch.observe(listed)
        completed |= {session.id for session in listed if session.status_word == "Completed"}
        assert not condition_watch.is_met() or len(completed) >= (at_least or 3)


@given(st.lists(st.lists(st.sampled_from(STATUSES), max_size=3), max_size=6), st.integers(0, 6))
def test_a_watch_continues_from_its_saved_state(lists: list[list[str]], restart: int) -> None:
    uninterrupted, restarted = ConditionWatch(by_ids(3)), ConditionWatch(by_ids(3))
    for statuses in lists:
        uninterrupted.observe(sessions(*statuses))
    for number, statuses in enumerate(lists):
        if number == restart:
            restarted = ConditionWatch(by_ids(3), json.loads(json.dumps(restarted.to_json())))
        restarted.observe(sessions(*statuses))
    assert restarted.is_met() == uninterrupted.is_met()
    assert restarted.summaries() == uninterrupted.summaries()
