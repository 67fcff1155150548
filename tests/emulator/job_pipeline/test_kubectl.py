"""Which strings survive kubectl and the API server; each one here was tried on a real kubectl."""

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
def test_a_string_that_kubectl_reads_as_something_else_is_rejected(word: str) -> None:
    with pytest.raises(JobRejectedError, match=r"not read as a string"):
        checked_string("args", word)


@pytest.mark.parametrize(
    "word",
    [
        *("yes", "true", "null", "~", "1", "1e3", "08", "0_9", "018446744073709551616", "0x", "0x1F"),
        *("1e_999", "+0_b+0", "a", "2024-1-1", "<<", "", "-", ".", "_1"),
    ],
)
def test_a_quoted_string_or_one_that_is_no_number_stays(word: str) -> None:
    assert checked_string("args", word) == word


def test_null_is_not_a_string() -> None:
    with pytest.raises(JobRejectedError):
        checked_string("env name", None)


@given(st.integers(-(2**63), 2**64 - 1))
def test_go_reads_every_64_bit_integer_as_a_number(number: int) -> None:
    assert not is_go_string(str(number))
    assert not is_go_string(hex(number))


@pytest.mark.parametrize("name", ["a", "a-1", "7", "a" * 63, "yes", "1e3"])
def test_a_valid_host_name_is_accepted(name: str) -> None:
    check_hostname(name)


@pytest.mark.parametrize("name", ["a" * 64, "-a", "a-", "-", "y", "n", "0o17", "0b1-"])
def test_an_invalid_host_name_is_rejected(name: str) -> None:
    with pytest.raises(JobRejectedError):
        check_hostname(name)
