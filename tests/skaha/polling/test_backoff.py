"""When to poll next."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.skaha.polling.backoff import (
    JITTER,
    MAX_OUTAGE_PAUSE,
    MAX_POLL_RETRY_AFTER,
    SHORTEST_PAUSE,
    PollBackoff,
)

INTERVALS = st.floats(SHORTEST_PAUSE, 3600)


def is_about(pause: float, expected: float) -> bool:
    """Whether a pause is as long as expected, or up to a tenth longer."""
    return expected <= pause <= expected * (1 + JITTER)


def test_pauses_are_short_at_first_and_then_one_interval() -> None:
    backoff = PollBackoff()
    backoff.restart(1.0)
    for expected in (1, 2, 4, 8, 15, 15, 15):
        assert is_about(backoff.after_response(interval=15), expected)


def test_a_new_subscriber_makes_them_short_again() -> None:
    backoff = PollBackoff()
    backoff.restart(1.0)
    for _ in range(10):
        backoff.after_response(interval=15)
    assert backoff.restart(10.0) == 10.0
    for expected in (10, 15, 15):
        assert is_about(backoff.after_response(interval=15), expected)


def test_a_patient_subscriber_slows_no_other_down() -> None:
    backoff = PollBackoff()
    backoff.restart(1.0)
    assert backoff.restart(10.0) == 1.0


@given(st.lists(INTERVALS, min_size=1, max_size=50))
def test_a_pause_is_between_the_shortest_and_the_interval(intervals: list[float]) -> None:
    backoff = PollBackoff()
    backoff.restart(0.0)
    for interval in intervals:
        assert SHORTEST_PAUSE <= backoff.after_response(interval) <= interval * (1 + JITTER)


def test_pauses_double_up_to_a_minute_in_an_outage_and_are_one_interval_again_after_it() -> None:
    backoff = PollBackoff()
    backoff.restart(15.0)
    backoff.after_response(interval=15)
    for expected in (30, MAX_OUTAGE_PAUSE, MAX_OUTAGE_PAUSE, MAX_OUTAGE_PAUSE):
        assert is_about(backoff.after_failure(interval=15), expected)
    assert is_about(backoff.after_response(interval=15), 15)


def test_an_outage_never_shortens_an_interval() -> None:
    backoff = PollBackoff()
    backoff.restart(300.0)
    backoff.after_response(interval=300)
    assert is_about(backoff.after_failure(interval=300), 300)


@given(INTERVALS, st.none() | st.floats(0, 1e6))
def test_retry_after_is_honoured_up_to_its_limit(interval: float, retry_after: float | None) -> None:
    pause = PollBackoff().after_failure(interval, retry_after)
    assert pause >= min(retry_after or 0.0, MAX_POLL_RETRY_AFTER)
    assert pause <= max(interval, MAX_OUTAGE_PAUSE, retry_after or 0.0) * (1 + JITTER)


def test_an_answer_to_share_may_be_as_old_as_the_pause_without_its_jitter() -> None:
    backoff = PollBackoff()
    assert backoff.restart(15.0) == backoff.max_age
    assert is_about(backoff.after_response(interval=15), backoff.max_age)
    assert is_about(backoff.after_failure(interval=15), backoff.max_age)
    assert backoff.after_failure(interval=15, retry_after=300) == backoff.max_age
