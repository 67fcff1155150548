"""Statuses and kinds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.skaha.errors import SpecError
from airflow_provider_canfar.skaha.statuses import Kind, Status

KNOWN = {"pending", "running", "terminating", "completed", "succeeded", "failed", "error", "unknown"}


@pytest.mark.parametrize(
    ("word", "status", "is_final", "is_success"),
    [
        ("Pending", Status.PENDING, False, False),
        ("Running", Status.RUNNING, False, False),
        ("Terminating", Status.TERMINATING, False, False),
        ("Completed", Status.COMPLETED, True, True),
        ("Succeeded", Status.COMPLETED, True, True),
        ("Failed", Status.FAILED, True, False),
        ("Error", Status.FAILED, True, False),
        ("Failed (BackoffLimitExceeded)", Status.FAILED, True, False),
        ("FailureTarget (BackoffLimitExceeded)", Status.UNKNOWN, False, False),
        ("Unknown", Status.UNKNOWN, False, False),
        ("", Status.UNKNOWN, False, False),
        (None, Status.UNKNOWN, False, False),
    ],
)
def test_every_servers_word_has_one_meaning(
    word: str | None, status: Status, is_final: bool, is_success: bool
) -> None:
    assert Status.of(word) is status
    assert (status.is_final, status.is_success) == (is_final, is_success)


@given(st.text().filter(lambda word: word.partition("(")[0].strip().lower() not in KNOWN))
def test_an_unknown_status_is_neither_an_end_nor_a_success(word: str) -> None:
    status = Status.of(word)
    assert status is Status.UNKNOWN
    assert not status.is_final
    assert not status.is_success


@pytest.mark.parametrize("word", ["", "Done", "Unknown", "Frozen"])
def test_a_user_cannot_write_a_status_that_no_server_has(word: str) -> None:
    with pytest.raises(SpecError, match=f"Invalid status '{word}': must be one of Pending, .*, Failed.$"):
        Status.parse(word)


@pytest.mark.parametrize("word", ["", "notebok", "Notebook", None, 7, ["notebook"]])
def test_a_user_cannot_write_any_other_kind(word: object) -> None:
    with pytest.raises(
        SpecError, match=r"Invalid kind .*: must be one of headless, notebook, .*desktop-app\."
    ):
        Kind.parse(word)
