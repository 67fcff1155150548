"""Dividing work as the platform's own client does."""

from __future__ import annotations

from canfar.helpers import distributed
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.replicas import chunk, stripe

NUMBERS = st.integers(min_value=-2, max_value=12)


def outcome(divide: object, items: range, replica: int, total: int) -> list[int] | type[ValueError]:
    assert callable(divide)
    try:
        return list(divide(items, replica, total))
    except ValueError:
        return ValueError


@given(count=st.integers(min_value=0, max_value=40), replica=NUMBERS, total=NUMBERS)
def test_chunk_and_stripe_match_the_platforms_client(count: int, replica: int, total: int) -> None:
    items = range(count)
    assert outcome(chunk, items, replica, total) == outcome(distributed.chunk, items, replica, total)
    assert outcome(stripe, items, replica, total) == outcome(distributed.stripe, items, replica, total)
