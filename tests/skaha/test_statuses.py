"""The server's words and numbers, read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from airflow_provider_canfar.skaha.statuses import Quantity, Status, Time

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
def test_a_word_never_heard_is_neither_an_end_nor_a_success(word: str) -> None:
    status = Status.of(word)
    assert status is Status.UNKNOWN
    assert not status.is_final
    assert not status.is_success


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("8.59", 8.59),
        ("8G", 8.0),
        ("192G", 192.0),
        ("147Gi", 157.840048128),
        ("512Mi", 0.536870912),
        ("0.500", 0.5),
        ("500m", 0.5),
        ("1.5T", 1500.0),
        (16, 16.0),
        (2.5, 2.5),
        ("<none>", None),
        ("", None),
        (None, None),
        ("plenty", None),
        ("8X", None),
    ],
)
def test_a_quantity_is_read_in_cores_or_gigabytes(said: object, meant: float | None) -> None:
    assert TypeAdapter(Quantity).validate_python(said) == meant


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("2026-02-11T07:30:05Z", datetime(2026, 2, 11, 7, 30, 5, tzinfo=UTC)),
        ("2026-02-11T07:30:05", datetime(2026, 2, 11, 7, 30, 5, tzinfo=UTC)),
        ("<none>", None),
        ("", None),
        (None, None),
        ("yesterday", None),
    ],
)
def test_a_time_is_in_utc_or_absent(said: object, meant: datetime | None) -> None:
    assert TypeAdapter(Time).validate_python(said) == meant
