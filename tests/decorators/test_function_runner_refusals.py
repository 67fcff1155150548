"""Results that cannot come back from an image, and what only looks like one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_canfar.decorators._function_runner import MARK, MAX_RESULT_BYTES

if TYPE_CHECKING:
    from tests.decorators.image import Image


def test_a_result_that_is_too_long_fails_with_numbers_and_a_way_out(image: Image) -> None:
    def long(length: int) -> str:
        return "x" * length

    ended = image.call(long, MAX_RESULT_BYTES - 1)
    assert ended.exit_code == 1
    assert ended.log == (
        "long() returned 262,145 bytes of JSON, and 262,144 can come back. "
        "Let it write them to a file below /arc, and return the file's path.\n"
    )


def test_a_result_that_is_no_json_fails_with_its_place_and_type(image: Image) -> None:
    def measure() -> Any:
        from decimal import Decimal

        return {"flux": [1.5, Decimal(2)]}

    ended = image.call(measure)
    assert ended.exit_code == 1
    assert ended.log == (
        "measure() returned what cannot come back: "
        "its result['flux'][1] is of type decimal.Decimal, which JSON has no form for.\n"
    )


def test_a_refusal_is_shown_when_the_function_has_closed_all_it_prints_to(image: Image) -> None:
    def mute() -> Any:
        import sys

        sys.stdout.close()
        sys.stderr.close()
        return {1, 2}

    ended = image.call(mute)
    assert ended.exit_code == 1
    assert "its result is of type set, which JSON has no form for" in ended.log


def test_not_a_number_fails_rather_than_becoming_something_else(image: Image) -> None:
    def measure() -> Any:
        return [1.0, float("nan")]

    ended = image.call(measure)
    assert ended.exit_code == 1
    assert "its result[1] is nan, which JSON has no number for; None may stand for it." in ended.log


def test_what_is_printed_of_its_own_command_line_is_no_result(image: Image) -> None:
    """Its own marker, in its own token's words, by a program that shows all it knows."""

    def show() -> int:
        from pathlib import Path

        print(Path("/proc/self/cmdline").read_bytes().replace(b"\0", b"\n").decode())
        return 42

    if not Path("/proc/self/cmdline").exists():
        pytest.skip("This machine shows no command lines in /proc.")
    ended = image.call(show)
    assert ended.value == 42
    assert MARK in ended.log
