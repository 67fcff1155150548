"""The largest command that is accepted, to the byte."""

from __future__ import annotations

from urllib.parse import urlencode

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


def check(**parameters: str) -> None:
    check_encoded(parameters.items(), urlencode(parameters))


@pytest.mark.parametrize("character", ["a", "é", "😀"])
def test_a_string_is_limited_in_bytes_of_utf8(character: str) -> None:
    fitting = character * (MAX_STRING_BYTES // len(character.encode()))
    check_strings({"args[0]": fitting})
    with pytest.raises(SpecError, match=r"Invalid args\[0\]: must have at most 131,071 bytes"):
        check_strings({"args[0]": fitting + character})


def test_all_strings_together_are_limited() -> None:
    """Each takes nine bytes more than it has: its NUL, and its pointer."""
    count, rest = divmod(MAX_PROCESS_BYTES, 9)
    fitting = {f"args[{index}]": "" for index in range(count)} | {"args[0]": "x" * rest}
    check_strings(fitting)
    with pytest.raises(SpecError, match=r"at most 1,966,080 bytes for Linux .* they have 1,966,081"):
        check_strings(fitting | {"args[1]": "x"})


def test_a_nul_is_rejected_without_the_text_around_it() -> None:
    with pytest.raises(SpecError, match=r"Invalid env\['TOKEN'\]: .* NUL character") as rejection:
        check_strings({"env['TOKEN']": "TOKEN=hunter2\0"})
    assert "hunter2" not in str(rejection.value)


def test_a_lone_surrogate_is_rejected_with_its_index() -> None:
    with pytest.raises(SpecError, match=r"Invalid command\[1\]: .* lone surrogate at index 3"):
        check_strings({"command[1]": "abc\udc80"})


def test_kubernetes_limits_the_encoded_command() -> None:
    check(cmd="true", args="a" * (MAX_ENCODED_BYTES - 4))
    with pytest.raises(SpecError, match=r"at most 1,400,000 bytes.* it has 1,400,001"):
        check(cmd="true", args="a" * (MAX_ENCODED_BYTES - 3))


def test_tomcat_limits_the_form_of_the_encoded_command() -> None:
    """A ``/`` takes three bytes of a form, so few enough characters may still be too many."""
    fitting = "/" * ((MAX_FORM_BYTES - len("cmd=true&args=")) // 3)
    check(cmd="true", args=fitting)
    with pytest.raises(SpecError, match=r"2,088,960 in a form"):
        check(cmd="true", args=fitting + "/")


def test_variables_count_towards_the_limit() -> None:
    with pytest.raises(SpecError, match="about 1 MB as written"):
        check(**{f"V{index}": "x" * 100_000 for index in range(15)})
