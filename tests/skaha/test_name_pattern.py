"""Regular expressions for names: what they match, which are refused, and that none of them backtracks."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.skaha.errors import SpecError
from airflow_provider_canfar.skaha.name_pattern import name_regex, prefix_or_regex

NAMES = st.from_regex(r"[a-z0-9][a-z0-9-]{0,40}", fullmatch=True)

#: What people write; the platform's own client takes all of these.
USUAL = [
    "^survey-[0-9]+$",
    "stars|tiles",
    r"-\d{1,3}$",
    "m(13|31)",
    "(?i)Stars",
    "^(?P<stem>[a-z]+)-",
    r"[^-]+-\w+?-",
    "a{2,}",
    r"\bx\b",
    "",
]


@given(NAMES, st.sampled_from(USUAL))
def test_a_usual_expression_matches_what_python_s_own_matches(name: str, regex: str) -> None:
    assert name_regex(regex)(name) is (re.search(regex, name, re.IGNORECASE) is not None)


@given(NAMES, NAMES)
def test_an_escaped_name_matches_itself_in_any_case(name: str, other: str) -> None:
    matches = name_regex(f"^{re.escape(name)}$")
    assert matches(name.upper())
    assert matches(other) is (other == name)


@pytest.mark.parametrize(
    ("regex", "reason"),
    [
        ("(?=a)", "without lookaheads, lookbehinds and backreferences"),
        ("(?!a)", "without lookaheads, lookbehinds and backreferences"),
        ("(?<!a)b", "without lookaheads, lookbehinds and backreferences"),
        (r"(a)\1", "without lookaheads, lookbehinds and backreferences"),
        ("(", "missing )"),
        ("[", "missing ]"),
        ("*", "no argument for repetition operator"),
        (r"\Z", "invalid escape sequence"),
        ("a{1001}", "invalid repetition size"),
        ("a{,3}", "Write {0,n}"),
        ("((a{100}){100}){100}", "invalid repetition size"),
        ("a" * 1_000_000, "pattern too large"),
        ("\ud800", "surrogate"),
    ],
)
def test_what_does_not_match_in_linear_time_is_refused_with_the_reason(regex: str, reason: str) -> None:
    with pytest.raises(SpecError, match=re.escape(reason)):
        name_regex(regex)


@given(st.text(max_size=30))
def test_any_text_is_an_expression_or_a_clear_error(regex: str) -> None:
    with suppress(SpecError):
        assert name_regex(regex)("stars-1") in (True, False)


@pytest.mark.parametrize("regex", ["(a+)+b$", "(a|aa)+$", "(a*)*b", "(.*a){12}b$", "^(([a-z])+.)+[A-Z]$"])
def test_a_name_of_any_length_is_searched_without_backtracking(regex: str) -> None:
    """With ``re``, thirty characters take seconds and forty take hours."""
    assert not name_regex(regex)("a" * 10_000 + "-0")


def test_a_name_that_is_no_text_is_searched_too() -> None:
    assert name_regex("stars")("\ud800-stars")


def test_an_invalid_expression_is_not_reported_by_the_library_itself() -> None:
    program = (
        "from airflow_provider_canfar.skaha.name_pattern import name_regex\n"
        "try: name_regex('(')\n"
        "except ValueError: pass"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""


def test_the_library_is_loaded_for_an_expression_only() -> None:
    program = (
        "import sys; from airflow_provider_canfar.skaha.name_pattern import prefix_or_regex as p;"
        "p('stars')('stars-1'); assert 're2' not in sys.modules; p('^stars'); assert 're2' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_prefix_with_a_special_character_is_an_expression() -> None:
    assert prefix_or_regex("tiles-")("Tiles-1")
    assert not prefix_or_regex("iles-")("tiles-1")
    assert prefix_or_regex("iles.1$")("tiles-1")


@pytest.mark.parametrize("prefix", ["", "tiles-(", "(?!tiles)"])
def test_an_invalid_prefix_is_called_so(prefix: str) -> None:
    with pytest.raises(SpecError, match=re.escape(f"Invalid prefix {prefix!r}")):
        prefix_or_regex(prefix)
