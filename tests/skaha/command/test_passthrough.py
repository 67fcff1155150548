"""Which words are certain to arrive unchanged."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.emulator.job_pipeline.job_template import running_container
from airflow_provider_canfar.skaha.command.passthrough import (
    PLATFORM_NAMES,
    name_problem,
    value_problem,
    word_problem,
)

SAFE_IN_WORDS = string.ascii_letters + string.digits + "_@%+=:,./~^-"
SAFE_IN_VALUES = (SAFE_IN_WORDS + " ;<>?!#&*()[]{}|'`").replace("=", "")

# kubectl's YAML reads these differently from snakeyaml, so the API server rejects the job.
RETYPED = ["y", "Y", "n", "N", "0o17", "0O7", "0B1", "0X1F", "-0o7", "+08", "-09", "1e3", "012", "1:30", "5e"]
RETYPED_WITH_UNDERSCORES = ["+_7", "7e_1", "0_x19", "1_000", "9E_9"]
DECIMALS = ["0", "7", "-7", "100", "3.14", "-0.5", "10.0", "123456789012345678901234567890"]
MERE_WORDS = ["null", "true", "no", "on", "=", "~", "-", ".inf", "run.py", "--x=1", "M31", "yes", "ny"]


@pytest.mark.parametrize("word", ["run.py", "--tile=7", "/arc/home/jdoe/a.fits", *DECIMALS, *MERE_WORDS])
def test_a_plain_word_has_no_problem(word: str) -> None:
    assert word_problem(word) is None


def test_the_safe_characters_of_a_word_are_these_and_no_others() -> None:
    """Between two others, so that it is not a number or a boolean."""
    safe = {character for character in map(chr, range(0x10000)) if not word_problem(f"z{character}z")}
    assert safe == set(SAFE_IN_WORDS)


def test_the_safe_characters_of_a_value_are_these_and_no_others() -> None:
    """Without ``=``, and with those that matter to a shell but not to the server."""
    safe = {character for character in map(chr, range(0x10000)) if not value_problem(f"z{character}z")}
    assert safe == set(SAFE_IN_VALUES)


@pytest.mark.parametrize("text", [*RETYPED, *RETYPED_WITH_UNDERSCORES])
def test_a_word_that_kubectl_would_retype_is_not_plain(text: str) -> None:
    assert "kubectl" in str(word_problem(text))
    assert "kubectl" in str(value_problem(text))


@pytest.mark.parametrize("text", ["", "\n", "a\n", "7\n", "é", "\ufeff", "a\u2028b"])
def test_no_pattern_stops_short_of_the_end_of_the_text(text: str) -> None:
    """A ``$`` in a regular expression would overlook a last newline."""
    assert word_problem(text)
    assert value_problem(text)
    assert name_problem(text)


def test_the_problem_of_a_word_names_the_character_and_its_index() -> None:
    assert word_problem("a b") == ("it has ' ' at index 1; safe are letters, digits and _@%+=:,./~^-")


def test_the_problem_of_a_value_does_not_contain_the_value() -> None:
    problem = value_problem("hunter2$")
    assert problem is not None
    assert "index 7" in problem
    assert "hunter2" not in problem
    assert "$" not in problem


@pytest.mark.parametrize("name", ["A", "a", "_", "REPLICA_ID", "PATH", "yess", "a1"])
def test_an_identifier_is_a_plain_name(name: str) -> None:
    assert name_problem(name) is None


@pytest.mark.parametrize("name", ["", "1", "1A", "a b", "a.b", "a-b", "é", "A #B", "A: B", "*A", "A="])
def test_other_names_are_not_plain(name: str) -> None:
    assert "letters, digits and _" in str(name_problem(name))


@pytest.mark.parametrize("word", ["y", "n", "yes", "no", "on", "off", "true", "false", "null"])
def test_a_yaml_word_is_not_a_plain_name_in_upper_or_lower_case(word: str) -> None:
    for name in (word, word.upper(), word.title(), word[:1] + word[1:].upper()):
        assert "YAML" in str(name_problem(name))


@pytest.mark.parametrize("name", sorted(PLATFORM_NAMES))
def test_a_name_that_the_platform_sets_after_the_user_is_not_plain(name: str) -> None:
    assert "the platform sets" in str(name_problem(name))


TEMPLATE = dict.fromkeys(
    [
        *("software.imageid", "software.threads", "skaha.hostname", "skaha.userid"),
        *("skaha.sessionid", "skaha.jobname", "skaha.home", "skaha.workdir"),
    ],
    "of-the-platform",
)
WORDS = (
    st.text(SAFE_IN_WORDS, max_size=8) | st.text("01789abexXoO_:.+-", max_size=5) | st.sampled_from(RETYPED)
)
VALUES = st.text(SAFE_IN_VALUES, max_size=12) | WORDS
IDENTIFIERS = st.from_regex(re.compile("[A-Za-z_][A-Za-z0-9_]*", re.ASCII), fullmatch=True)


@given(drawn=st.lists(WORDS, max_size=40))
def test_plain_words_pass_the_rules_of_the_server(drawn: list[str]) -> None:
    """The emulator has its rules from the server, and not from here."""
    words = [word for word in ("run.py", *drawn) if not word_problem(word)]
    container = running_container(words[0], " ".join(words), [], TEMPLATE)
    assert (container.command, container.args) == ((words[0],), tuple(words))


@given(drawn=st.dictionaries(IDENTIFIERS, VALUES, max_size=20))
def test_plain_variables_pass_the_rules_of_the_server(drawn: dict[str, str]) -> None:
    env = {name: value for name, value in drawn.items() if not (name_problem(name) or value_problem(value))}
    container = running_container(None, None, [f"{name}={value}" for name, value in env.items()], TEMPLATE)
    assert dict(container.environment[: len(env)]) == env
    assert not env.keys() & {name for name, _ in container.environment[len(env) :]}
