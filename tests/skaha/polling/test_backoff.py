"""When to look again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.skaha.polling.backoff import (
    JITTER,
    LONGEST_PAUSE,
    LONGEST_RETRY_AFTER,
    SHORTEST_PAUSE,
    PollBackoff,
)

INTERVALS = st.floats(SHORTEST_PAUSE, 3600)


def is_about(pause: float, meant: float) -> bool:
    """Whether a pause is what it was meant to be, and at most a tenth longer."""
    return meant <= pause <= meant * (1 + JITTER)


def test_pauses_are_short_at_first_and_then_an_interval() -> None:
    pace = PollBackoff()
    pace.hurry(1.0)
    for meant in (1, 2, 4, 8, 15, 15, 15):
        assert is_about(pace.after_an_answer(interval=15), meant)


def test_who_comes_later_makes_them_short_again() -> None:
    pace = PollBackoff()
    pace.hurry(1.0)
    for _ in range(10):
        pace.after_an_answer(interval=15)
    assert pace.hurry(10.0) == 10.0
    for meant in (10, 15, 15):
        assert is_about(pace.after_an_answer(interval=15), meant)


def test_who_is_patient_slows_nobody_down() -> None:
    pace = PollBackoff()
    pace.hurry(1.0)
    assert pace.hurry(10.0) == 1.0


@given(st.lists(INTERVALS, min_size=1, max_size=50))
def test_no_pause_is_longer_than_the_interval_or_shorter_than_may_be(intervals: list[float]) -> None:
    pace = PollBackoff()
    pace.hurry(0.0)
    for interval in intervals:
        assert SHORTEST_PAUSE <= pace.after_an_answer(interval) <= interval * (1 + JITTER)


def test_in_an_outage_they_double_up_to_a_minute_and_are_an_interval_again_after_it() -> None:
    pace = PollBackoff()
    pace.hurry(15.0)
    pace.after_an_answer(interval=15)
    for meant in (30, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE):
        assert is_about(pace.after_a_fault(interval=15), meant)
    assert is_about(pace.after_an_answer(interval=15), 15)


def test_an_outage_makes_nobody_ask_more_often_than_wanted() -> None:
    pace = PollBackoff()
    pace.hurry(300.0)
    pace.after_an_answer(interval=300)
    assert is_about(pace.after_a_fault(interval=300), 300)


@given(INTERVALS, st.none() | st.floats(0, 1e6))
def test_no_one_asks_before_the_server_wants_it_unless_it_wants_too_much(
    interval: float, retry_after: float | None
) -> None:
    pause = PollBackoff().after_a_fault(interval, retry_after)
    assert pause >= min(retry_after or 0.0, LONGEST_RETRY_AFTER)
    assert pause <= max(interval, LONGEST_PAUSE, retry_after or 0.0) * (1 + JITTER)


def test_an_answer_to_share_may_be_as_old_as_the_pause_without_its_jitter() -> None:
    backoff = PollBackoff()
    assert backoff.hurry(15.0) == backoff.max_age
    assert is_about(backoff.after_an_answer(interval=15), backoff.max_age)
    assert is_about(backoff.after_a_fault(interval=15), backoff.max_age)
    assert backoff.after_a_fault(interval=15, retry_after=300) == backoff.max_age
