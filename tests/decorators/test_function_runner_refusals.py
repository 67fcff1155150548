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
        "measure() returned a value that Airflow cannot store: result['flux'][1] is of type decimal.Decimal, "
        "which JSON cannot represent; use a float or a string instead.\n"
    )


def test_the_error_is_printed_even_after_the_function_closed_stdout_and_stderr(image: Image) -> None:
    def mute() -> Any:
        import sys

        sys.stdout.close()
        sys.stderr.close()
        return {1, 2}

    ended = image.call(mute)
    assert ended.exit_code == 1
    assert "result is of type set, which JSON cannot represent" in ended.log


def test_nan_in_a_result_fails(image: Image) -> None:
    def measure() -> Any:
        return [1.0, float("nan")]

    ended = image.call(measure)
    assert ended.exit_code == 1
    assert "result[1] is nan, which JSON cannot represent; use None instead." in ended.log


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


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("[1, 2**70]", "result[1] is an integer of more than 64 bits; use a float or a string instead"),
        ("{'a': ['m13\\udcff.fits']}", "result['a'][0] has the lone surrogate '\\udcff', which UTF-8 cannot"),
        ("['a\\0b']", "result[0] has a NUL character"),
        ("{'__type': 1}", "result has the key '__type', which Airflow's serialization reserves"),
        ("{7: 1}", "result has the key 7 of type int"),
        ("__import__('functools').reduce(lambda a, _: [a], range(99), 1)", "result[0][0]"),
        ("__import__('functools').reduce(lambda a, _: [a, a], range(30), 1)", "result[0][0]"),
        ("type('Odd', (dict,), {'__iter__': lambda self: 1 / 0})()", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_value_that_airflow_cannot_store_fails_in_the_image_with_its_place(
    image: Image, expression: str, fault: str
) -> None:
    def measure(expression: str) -> Any:
        print("measuring")
        return eval(expression)  # noqa: S307 - the expressions are above

    ended = image.call(measure, expression)
    assert ended.exit_code == 1
    assert ended.parsed.result is None
    first, line = ended.log.splitlines()
    assert first == "measuring"
    assert line.removeprefix("measure() returned a value that Airflow cannot store: ").startswith(fault)
    assert len(line) < 500


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ([1], "result is of type list, and with multiple_outputs it must be a dict"),
        ({"": 1}, "result has the key '', which cannot be an XCom's name; rename it"),
        ({"a?b": 1}, "result has the key 'a?b', which cannot be an XCom's name"),
        ({"a/../b": 1}, "result has the key 'a/../b', which cannot be an XCom's name"),
        ({"x" * 513: 1}, "result has the key 'xxx"),
        ({"sessions": 1}, "result has the key 'sessions', which is the name of another XCom; rename it"),
    ],
)
def test_a_result_that_cannot_become_several_xcoms_fails_in_the_image(
    image: Image, value: Any, fault: str
) -> None:
    def measure(value: Any) -> Any:
        return value

    ended = image.call(measure, value, multiple_outputs=True)
    assert ended.exit_code == 1
    assert ended.log.startswith(f"measure() returned a value that Airflow cannot store: {fault}")


@pytest.mark.parametrize("value", [None, {}, {"flux": 1.5, "a/b": 2, "é": [3]}])
def test_a_result_that_can_become_several_xcoms_is_returned(image: Image, value: Any) -> None:
    def measure(value: Any) -> Any:
        return value

    assert image.call(measure, value, multiple_outputs=True).value == value
