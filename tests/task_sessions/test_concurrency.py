"""How many creates are under way at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.task_sessions.concurrency import SLOW_CREATE, AdaptiveConcurrency


def test_it_halves_when_the_platform_is_busy_and_recovers_one_by_one() -> None:
    concurrency = AdaptiveConcurrency(8)
    concurrency.reduce()
    assert concurrency.now == 4
    for _ in range(4):
        concurrency.created(0.5)
    assert concurrency.now == 5


def test_a_slow_create_says_that_the_platform_is_slow() -> None:
    concurrency = AdaptiveConcurrency(8)
    concurrency.created(SLOW_CREATE + 1)
    assert concurrency.now == 4


@given(st.integers(1, 32), st.lists(st.none() | st.floats(0, 100)))
def test_it_stays_between_one_and_the_most(most: int, creates: list[float | None]) -> None:
    """None: the platform was busy."""
    concurrency = AdaptiveConcurrency(most)
    for seconds in creates:
        if seconds is None:
            concurrency.reduce()
        else:
            concurrency.created(seconds)
        assert 1 <= concurrency.now <= most


def test_the_next_phase_starts_with_what_this_one_has_learnt() -> None:
    concurrency = AdaptiveConcurrency(8)
    assert concurrency.carried() == {}
    concurrency.reduce()
    assert AdaptiveConcurrency(8, concurrency.carried()["concurrency"]).now == 4
    # The author has lowered the most since.
    assert AdaptiveConcurrency(2, 4).now == 2
