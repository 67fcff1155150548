"""What kubectl and the API server do to a Job; each word was seen to go through a real kubectl."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.emulator.job_pipeline.kubectl import (
    JobRejectedError,
    check_hostname,
    checked_string,
    is_go_string,
)


@pytest.mark.parametrize(
    "word",
    [
        *("y", "N", "0o17", "-0o7", "0X1F", "0B1", "-08", "+09", "-_1", "+0_", "0_x1", "0b+1"),
        *("9E_9", "1e5_0", ".0E7_9"),
    ],
)
def test_a_word_that_becomes_something_else_is_refused(word: str) -> None:
    with pytest.raises(JobRejectedError, match=r"not read as a string"):
        checked_string("args", word)


@pytest.mark.parametrize(
    "word",
    [
        *("yes", "true", "null", "~", "1", "1e3", "08", "0_9", "018446744073709551616", "0x", "0x1F"),
        *("1e_999", "+0_b+0", "a", "2024-1-1", "<<", "", "-", ".", "_1"),
    ],
)
def test_a_word_that_is_quoted_or_no_number_stays(word: str) -> None:
    assert checked_string("args", word) == word


def test_nothing_is_no_string() -> None:
    with pytest.raises(JobRejectedError):
        checked_string("env name", None)


@given(st.integers(-(2**63), 2**64 - 1))
def test_go_takes_every_number_of_64_bits_for_one(number: int) -> None:
    assert not is_go_string(str(number))
    assert not is_go_string(hex(number))


@pytest.mark.parametrize("name", ["a", "a-1", "7", "a" * 63, "yes", "1e3"])
def test_a_name_that_can_be_a_hosts_is_taken(name: str) -> None:
    check_hostname(name)


@pytest.mark.parametrize("name", ["a" * 64, "-a", "a-", "-", "y", "n", "0o17", "0b1-"])
def test_a_name_that_cannot_be_a_hosts_is_refused(name: str) -> None:
    with pytest.raises(JobRejectedError):
        check_hostname(name)
