"""Results that cannot be returned from an image, and output that merely looks like a result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_canfar.decorators._function_runner import MAX_RESULT_BYTES, RESULT_PREFIX

if TYPE_CHECKING:
    from tests.decorators.image import Image


def test_a_result_that_is_too_long_fails_with_the_limit_and_advice(image: Image) -> None:
    def long(length: int) -> str:
        return "x" * length

    ended = image.call(long, MAX_RESULT_BYTES - 1)
    assert ended.exit_code == 1
    assert ended.log == (
        "long() returned 262,145 bytes of JSON; the limit is 262,144. "
        "Write the data to a file below /arc and return the file's path.\n"
    )


def test_a_result_that_json_cannot_represent_fails_with_its_place_and_type(image: Image) -> None:
    def measure() -> Any:
        from decimal import Decimal

        return {"flux": [1.5, Decimal(2)]}

    ended = image.call(measure)
    assert ended.exit_code == 1
    assert ended.log == (
        "measure() returned a value that JSON cannot represent: "
        "its result['flux'][1] is of type decimal.Decimal, which JSON cannot represent.\n"
    )


def test_the_error_is_printed_even_after_the_function_closed_stdout_and_stderr(image: Image) -> None:
    def mute() -> Any:
        import sys

        sys.stdout.close()
        sys.stderr.close()
        return {1, 2}

    ended = image.call(mute)
    assert ended.exit_code == 1
    assert "its result is of type set, which JSON cannot represent" in ended.log


def test_nan_in_a_result_fails(image: Image) -> None:
    def measure() -> Any:
        return [1.0, float("nan")]

    ended = image.call(measure)
    assert ended.exit_code == 1
    assert "its result[1] is nan, which JSON cannot represent; use None instead." in ended.log


def test_printing_the_program_s_own_command_line_is_not_a_result(image: Image) -> None:
    """The command line contains the prefix and the marker of the result."""

    def show() -> int:
        from pathlib import Path

        print(Path("/proc/self/cmdline").read_bytes().replace(b"\0", b"\n").decode())
        return 42

    if not Path("/proc/self/cmdline").exists():
        pytest.skip("This machine has no /proc.")
    ended = image.call(show)
    assert ended.value == 42
    assert RESULT_PREFIX in ended.log
