"""How much of a command is taken, to the byte."""

from __future__ import annotations

import pytest

from airflow_provider_canfar.skaha.command.limits import (
    MAX_ENCODED_BYTES,
    MAX_FORM_BYTES,
    MAX_PROCESS_BYTES,
    MAX_STRING_BYTES,
    check_encoded,
    check_strings,
)
from airflow_provider_canfar.skaha.errors import SpecError


@pytest.mark.parametrize("character", ["a", "é", "😀"])
def test_a_string_is_bounded_in_bytes_of_utf8(character: str) -> None:
    fitting = character * (MAX_STRING_BYTES // len(character.encode()))
    check_strings({"args[0]": fitting})
    with pytest.raises(SpecError, match=r"args\[0\] has .* bytes; .* can have 131,071"):
        check_strings({"args[0]": fitting + character})


def test_all_strings_together_are_bounded() -> None:
    """Each takes nine bytes more than it has: its NUL, and its pointer."""
    count, rest = divmod(MAX_PROCESS_BYTES, 9)
    fitting = {f"args[{index}]": "" for index in range(count)} | {"args[0]": "x" * rest}
    check_strings(fitting)
    with pytest.raises(SpecError, match="have 1,966,081 bytes; Linux can start a program with 1,966,080"):
        check_strings(fitting | {"args[1]": "x"})


def test_a_nul_is_refused_and_the_text_around_it_is_not_told() -> None:
    with pytest.raises(SpecError, match=r"env\['TOKEN'\] has a NUL character") as refusal:
        check_strings({"env['TOKEN']": "TOKEN=hunter2\0"})
    assert "hunter2" not in str(refusal.value)


def test_a_lone_surrogate_is_refused_where_it_is() -> None:
    with pytest.raises(SpecError, match=r"command\[1\] has a lone surrogate at index 3"):
        check_strings({"command[1]": "abc\udc80"})


def test_the_encoded_command_is_bounded_for_the_sake_of_kubernetes() -> None:
    check_encoded("true", "a" * (MAX_ENCODED_BYTES - 4), ())
    with pytest.raises(SpecError, match=r"1,400,001 bytes.* takes 1,400,000"):
        check_encoded("true", "a" * (MAX_ENCODED_BYTES - 3), ())


def test_the_encoded_command_is_bounded_for_the_sake_of_tomcat() -> None:
    """A ``/`` takes three bytes of a form, so few enough characters may still be too many."""
    around = len("cmd=true&args=")
    fitting = "/" * ((MAX_FORM_BYTES - around) // 3)
    check_encoded("true", fitting, ())
    with pytest.raises(SpecError, match=r"in a form; .* 2,088,960"):
        check_encoded("true", fitting + "/", ())


def test_variables_count_towards_what_the_platform_takes() -> None:
    env = [(f"V{index}", "x" * 100_000) for index in range(14)]
    with pytest.raises(SpecError, match="about 1 MB as written"):
        check_encoded(None, None, env)
