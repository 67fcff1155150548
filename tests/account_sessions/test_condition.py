"""When a sensor's wish has come true, and when it cannot any more."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.account_sessions.condition import ConditionWatch, SessionCondition
from airflow_provider_canfar.skaha.models import Session
from airflow_provider_canfar.skaha.selection import Selection
from airflow_provider_canfar.task_sessions.batch import Verdict
from airflow_provider_canfar.task_sessions.wait import LISTS_UNTIL_MISSING

IDS = ("k3v9x2qa", "m0d4tt7z", "z1x7c3vb")
WORDS = ["Pending", "Running", "Terminating", "Completed", "Failed", "Frozen"]


def sessions(*words: str) -> list[Session]:
    """Make a list in which the first ids have these statuses."""
    return [
        Session.model_validate({"id": one, "name": f"survey-{number}", "type": "headless", "status": word})
        for number, (one, word) in enumerate(zip(IDS, words, strict=False))
    ]


def verdict(wish: SessionCondition, *lists: list[Session]) -> str | None:
    """Show lists one after the other, and return the verdict after the last."""
    lookout = ConditionWatch(wish)
    for number, one in enumerate(lists):
        lookout.see(one, float(number))
    return lookout.verdict()


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
    wish = by_ids(2, statuses=("Running",))
    assert verdict(wish, sessions("Running", "Pending"), sessions("Pending", "Running")) == Verdict.SUCCESS


def test_by_name_others_may_still_come_where_a_number_is_said() -> None:
    wish = SessionCondition(BY_NAME, at_least=2)
    assert verdict(wish, sessions("Completed", "Failed")) is None
    assert verdict(wish, sessions("Completed", "Failed", "Completed")) == Verdict.SUCCESS


def test_by_ids_no_others_can_come() -> None:
    assert verdict(by_ids(3, at_least=2), sessions("Failed", "Running", "Running")) is None
    assert verdict(by_ids(3, at_least=2), sessions("Failed", "Failed", "Running")) == Verdict.FAILURE


def test_to_wait_on_whatever_happens_is_a_choice() -> None:
    assert verdict(by_ids(1, fail_on=()), sessions("Failed")) is None


def test_a_session_is_gone_only_after_several_lists_and_when_the_platform_does_not_know_it() -> None:
    lookout = ConditionWatch(by_ids(1))
    for number in range(LISTS_UNTIL_MISSING):
        assert lookout.roll.missing_ids() == []
        lookout.see([], float(number))
    assert lookout.roll.missing_ids() == [IDS[0]]
    assert lookout.verdict() is None
    lookout.learn([], lookout.roll.missing_ids())
    assert lookout.verdict() == Verdict.FAILURE


def test_a_session_that_lists_omit_and_the_platform_knows_is_there() -> None:
    lookout = ConditionWatch(by_ids(1))
    for number in range(LISTS_UNTIL_MISSING):
        lookout.see([], float(number))
    lookout.learn(sessions("Completed"), [])
    assert lookout.verdict() == Verdict.SUCCESS


def test_a_session_that_is_listed_again_is_not_gone() -> None:
    lookout = ConditionWatch(by_ids(1, fail_on=()))
    lookout.learn([], [IDS[0]])
    lookout.see(sessions("Completed"), 0.0)
    assert lookout.verdict() == Verdict.SUCCESS


def test_it_says_how_far_it_is() -> None:
    lookout = ConditionWatch(by_ids(3, at_least=2))
    lookout.see(sessions("Completed", "Running"), 0.0)
    assert str(lookout) == (
        "Of the sessions k3v9x2qa, m0d4tt7z, z1x7c3vb, at least 2 shall be Completed: "
        "1 Completed, 1 Running, 1 not seen."
    )


@given(st.lists(st.lists(st.sampled_from(WORDS), max_size=3), max_size=6), st.data())
def test_an_unknown_or_living_session_is_never_a_success(lists: list[list[str]], data: st.DataObject) -> None:
    """Whatever the lists show, success means that so many were seen to be where they were wanted."""
    at_least = data.draw(st.none() | st.integers(1, 3))
    lookout = ConditionWatch(by_ids(3, at_least=at_least))
    completed: set[str] = set()
    for number, listed in enumerate(lists):
        shown = sessions(*listed)
        lookout.see(shown, float(number))
        completed |= {one.id for one in shown if one.status_word == "Completed"}
        assert lookout.verdict() != Verdict.SUCCESS or len(completed) >= (at_least or 3)


@given(st.lists(st.lists(st.sampled_from(WORDS), max_size=3), max_size=6), st.integers(0, 6))
def test_a_lookout_goes_on_from_what_was_written_down(lists: list[list[str]], cut: int) -> None:
    whole, wish = ConditionWatch(by_ids(3)), by_ids(3)
    for number, listed in enumerate(lists):
        whole.see(sessions(*listed), float(number))
    part = ConditionWatch(wish)
    for number, listed in enumerate(lists):
        if number == cut:
            part = ConditionWatch(wish, json.loads(json.dumps(part.to_json())))
        part.see(sessions(*listed), float(number))
    assert part.verdict() == whole.verdict()
    assert part.seen() == whole.seen()
