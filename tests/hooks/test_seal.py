"""Sealing what a deferral carries."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_canfar.hooks._seal import seal, unseal

SECRET = b"the-connection-s-token"


@given(st.text())
@settings(max_examples=20, deadline=None)
def test_what_is_sealed_is_unsealed_with_the_same_secret(text: str) -> None:
    assert unseal(SECRET, seal(SECRET, text)) == text


def test_a_sealed_text_shows_nothing_and_differs_each_time() -> None:
    one, other = seal(SECRET, "canary"), seal(SECRET, "canary")
    assert one != other
    assert "canary" not in one


@pytest.mark.parametrize(
    "sealed",
    ["", "canary", "A" * 200, seal(b"another-token", "canary")],
    # It differs each time, and so would the test's name.
    ids=["empty", "plain", "long", "sealed"],
)
def test_what_another_secret_has_sealed_stays_closed(sealed: str) -> None:
    assert unseal(SECRET, sealed) is None
