"""Where Java differs from Python."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.emulator.job_pipeline.java import double_as_text, split


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a=b", ["a", "b"]),
        ("a=b=", ["a", "b"]),
        ("a==", ["a"]),
        ("=a", ["", "a"]),
        ("a==b", ["a", "", "b"]),
        ("==", []),
        ("", [""]),
        ("a", ["a"]),
    ],
)
def test_empty_parts_at_the_end_are_dropped(text: str, parts: list[str]) -> None:
    assert split(text, "=") == parts


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1e3, "1000.0"),
        (90.5, "90.5"),
        (0.0, "0.0"),
        (0.001, "0.001"),
        (1e-4, "1.0E-4"),
        (9999999.0, "9999999.0"),
        (1e7, "1.0E7"),
        (-1.25e22, "-1.25E22"),
        (float("inf"), ".inf"),
        (float("-inf"), "-.inf"),
        (float("nan"), ".NaN"),
    ],
)
def test_a_number_is_written_as_the_server_writes_it(number: float, text: str) -> None:
    assert double_as_text(number) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_written_number_reads_back(number: float) -> None:
    assert float(double_as_text(number)) == number
