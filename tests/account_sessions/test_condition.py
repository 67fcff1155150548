"""When a sensor's wish has come true, and when it cannot any more."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.account_sessions.condition import ConditionWatch, SessionCondition
from airflow_provider_canfar.skaha.models import Session
from airflow_provider_canfar.skaha.polling.session_tracker import LISTS_UNTIL_MISSING
from airflow_provider_canfar.skaha.selection import Selection
from airflow_provider_canfar.task_sessions.plan import Verdict

IDS = ("k3v9x2qa", "m0d4tt7z", "z1x7c3vb")
WORDS = ["Pending", "Running", "Terminating", "Completed", "Failed", "Frozen"]


def sessions(*words: str) -> list[Session]:
    """Make a list in which the first ids have these statuses."""
    return [
        Session.model_validate({"id": one, "name": f"survey-{number}", "type": "headless", "status": word})
        for number, (one, word) in enumerate(zip(IDS, words, strict=False))
    ]


def verdict(condition: SessionCondition, *lists: list[Session]) -> str | None:
    """Show lists one after the other, and return the verdict after the last."""
    condition_watch = ConditionWatch(condition)
    for number, one in enumerate(lists):
        condition_watch.observe(one, float(number))
    return condition_watch.verdict()


def by_ids(count: int, **settings: Any) -> SessionCondition:
    return SessionCondition(Selection(ids=IDS[:count]), **settings)


BY_NAME = Selection(prefix="survey-")


def test_all_must_have_come() -> None:
    assert verdict(by_ids(2), sessions("Completed", "Running")) is None
    assert verdict(by_ids(2), sessions("Completed", "Completed")) == Verdict.SUCCESS


def test_none_seen_is_not_all() -> None:
    assert verdict(SessionCondition(BY_NAME), []) is None


def test_what_has_come_and_was_forgotten_since_has_come() -> None:
    _, second = sessions("Completed", "Completed")
    assert verdict(SessionCondition(BY_NAME), sessions("Completed", "Running"), [second]) == Verdict.SUCCESS


def test_what_has_run_and_was_preempted_since_has_run() -> None:
    condition = by_ids(2, statuses=("Running",))
    assert (
        verdict(condition, sessions("Running", "Pending"), sessions("Pending", "Running")) == Verdict.SUCCESS
    )


def test_by_name_others_may_still_come_where_a_number_is_said() -> None:
    condition = SessionCondition(BY_NAME, at_least=2)
    assert verdict(condition, sessions("Completed", "Failed")) is None
    assert verdict(condition, sessions("Completed", "Failed", "Completed")) == Verdict.SUCCESS


def test_by_ids_no_others_can_come() -> None:
    assert verdict(by_ids(3, at_least=2), sessions("Failed", "Running", "Running")) is None
    assert verdict(by_ids(3, at_least=2), sessions("Failed", "Failed", "Running")) == Verdict.FAILURE


def test_to_wait_on_whatever_happens_is_a_choice() -> None:
    assert verdict(by_ids(1, fail_on=()), sessions("Failed")) is None


def test_a_session_is_gone_only_after_several_lists_and_when_the_platform_does_not_know_it() -> None:
    condition_watch = ConditionWatch(by_ids(1))
    for number in range(LISTS_UNTIL_MISSING):
        assert condition_watch.tracker.missing_ids() == []
        condition_watch.observe([], float(number))
    assert condition_watch.tracker.missing_ids() == [IDS[0]]
    assert condition_watch.verdict() is None
    condition_watch.learn([], condition_watch.tracker.missing_ids())
    assert condition_watch.verdict() == Verdict.FAILURE


def test_a_session_that_lists_omit_and_the_platform_knows_is_there() -> None:
    condition_watch = ConditionWatch(by_ids(1))
    for number in range(LISTS_UNTIL_MISSING):
        condition_watch.observe([], float(number))
    condition_watch.learn(sessions("Completed"), [])
    assert condition_watch.verdict() == Verdict.SUCCESS


def test_a_session_that_is_listed_again_is_not_gone() -> None:
    condition_watch = ConditionWatch(by_ids(1, fail_on=()))
    condition_watch.learn([], [IDS[0]])
    condition_watch.observe(sessions("Completed"), 0.0)
    assert condition_watch.verdict() == Verdict.SUCCESS


def test_it_says_how_far_it_is() -> None:
    condition_watch = ConditionWatch(by_ids(3, at_least=2))
    condition_watch.observe(sessions("Completed", "Running"), 0.0)
    assert str(condition_watch) == (
        "Of the sessions k3v9x2qa, m0d4tt7z, z1x7c3vb, at least 2 shall be Completed: "
        "1 Completed, 1 Running, 1 not seen."
    )


@given(st.lists(st.lists(st.sampled_from(WORDS), max_size=3), max_size=6), st.data())
def test_an_unknown_or_living_session_is_never_a_success(lists: list[list[str]], data: st.DataObject) -> None:
    """Whatever the lists show, success means that so many were seen to be where they were wanted."""
    at_least = data.draw(st.none() | st.integers(1, 3))
    condition_watch = ConditionWatch(by_ids(3, at_least=at_least))
    completed: set[str] = set()
    for number, listed in enumerate(lists):
        shown = sessions(*listed)
        condition_watch.observe(shown, float(number))
        completed |= {one.id for one in shown if one.status_word == "Completed"}
        assert condition_watch.verdict() != Verdict.SUCCESS or len(completed) >= (at_least or 3)


@given(st.lists(st.lists(st.sampled_from(WORDS), max_size=3), max_size=6), st.integers(0, 6))
def test_a_lookout_goes_on_from_what_was_written_down(lists: list[list[str]], cut: int) -> None:
    whole, condition = ConditionWatch(by_ids(3)), by_ids(3)
    for number, listed in enumerate(lists):
        whole.observe(sessions(*listed), float(number))
    part = ConditionWatch(condition)
    for number, listed in enumerate(lists):
        if number == cut:
            part = ConditionWatch(condition, json.loads(json.dumps(part.to_json())))
        part.observe(sessions(*listed), float(number))
    assert part.verdict() == whole.verdict()
    assert part.seen() == whole.seen()
