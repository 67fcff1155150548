"""Made-up names: an expression that matches them whatever their words are chooses sessions of anybody."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.skaha.name_pattern import name_regex
from airflow_provider_canfar.skaha.naming import SessionName
from airflow_provider_canfar.skaha.unrelated_names import _unrelated, example_of_any
from airflow_provider_canfar.skaha.validation import NAME_LENGTH, host_name, session_name


def test_every_name_is_one_that_a_session_can_have() -> None:
    for shape, words in _unrelated():
        for name in map(shape, words):
            assert len(name) <= NAME_LENGTH
            if not name.isalpha():
                assert host_name(session_name(name)) == name


def test_names_of_tasks_are_among_them() -> None:
    ours = [SessionName.parse(shape(words[0])) for shape, words in _unrelated()]
    assert len({(one.epoch, one.replica, one.try_number) for one in ours if one is not None}) > 100


@pytest.mark.parametrize(
    "regex",
    [
        "",
        ".*",
        "^[a-z]",
        "^.{3,}$",
        "-",
        "[0-9]",
        "-[0-9]+$",
        "-[0-9]+-[0-9]+$",
        "-[0-9]+-[0-9]+-[0-9]+$",
        "-0-[0-9]+-1$",
        "-0-1-1$",
        "-1$",
        "-7-",
        "[a-z2-7]{10}",
        "-[a-z2-7]{10}-",
        "^[a-z0-9-]+-[a-z2-7]{10}(-[0-9]+){3}$",
        "^[a-z0-9-]+-[a-z2-7]{14}(-[0-9]+){3}$",
        "[a-z][2-7]",
        "[a-y]",
        "[^z]",
        "[aeiou]",
        "^[^-]+$",
    ],
)
def test_an_expression_that_depends_on_no_word_is_found_out(regex: str) -> None:
    example = example_of_any(name_regex(regex))
    assert example is not None
    assert name_regex(regex)(example)


@pytest.mark.parametrize(
    "regex",
    ["survey|pilot", "^stars-", "^[a-m]", "m1[0-9]", "-20260304$", "2026", "k3v5x2qamd", "^run[0-9]+-"],
)
def test_an_expression_that_depends_on_a_word_is_not(regex: str) -> None:
    assert example_of_any(name_regex(regex)) is None


@given(
    st.integers(0, 99),
    st.integers(1, 10_000),
    st.integers(1, 99),
    st.sampled_from(["-[0-9]+-[0-9]+-[0-9]+$", "-{epoch}-[0-9]+-[0-9]+$", "[a-z2-7]{{10}}-[0-9]+-"]),
)
def test_what_matches_the_shape_of_a_task_s_name_is_found_out(
    epoch: int, replica: int, try_number: int, regex: str
) -> None:
    regex = regex.format(epoch="[0-9]+")
    assert name_regex(regex)(str(SessionName("stars", "k3v5x2qamd", epoch, replica, try_number)))
    assert example_of_any(name_regex(regex)) is not None
