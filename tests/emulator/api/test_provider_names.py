"""What the page tells of a session's task is what the provider has put into its name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.emulator.api.provider_names import task_of
from airflow_provider_canfar.skaha.naming import SessionName

KEYS = st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=10, max_size=10)
NUMBERS = st.integers(0, 99_999)


@given(
    stem=st.from_regex("[a-z]([a-z0-9-]{0,28}[a-z0-9])?", fullmatch=True),
    key=KEYS,
    work=st.booleans(),
    epoch=NUMBERS,
    replica=NUMBERS,
    try_number=NUMBERS,
)
def test_the_names_that_the_provider_gives_are_read(
    stem: str, key: str, work: bool, epoch: int, replica: int, try_number: int
) -> None:
    name = SessionName(stem, key + "wxyz" * work, epoch, replica, try_number)
    assert task_of(str(name)) == {
        "name": stem,
        "key": name.key,
        "epoch": epoch,
        "replica": replica,
        "try": try_number,
    }


@pytest.mark.parametrize(
    "name", ["", "my-notebook", "stars-k3v5x2qamd-0-1", "stars-K3V5X2QAMD-0-1-1", "stars-k3v5x2qamd-0-01-1"]
)
def test_other_names_tell_nothing(name: str) -> None:
    assert task_of(name) is None
