"""Parsing a result from a log, whatever else is in it: the right result or none."""

from __future__ import annotations

import json
from datetime import date
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.decorators._function_runner import (
    LINE_BYTES,
    RESULT_PREFIX,
    result_lines,
    to_json_types,
)
from airflow_provider_canfar.decorators._result_lines import ParsedLog, parse_log

MARKER = "k3v5x2qamd-0-1-7-20"

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(10**30), max_value=10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)

#: What programs print: text with all kinds of newlines, and text that looks like a result.
PRINTED = st.text(max_size=40) | st.sampled_from(
    [
        "\n",
        "50%|#####     |\r",
        f"{RESULT_PREFIX} ",
        f"{RESULT_PREFIX} {MARKER} 1/1 {'0' * 32} 42",
        f"{RESULT_PREFIX} {MARKER} 1/1 {'0' * 32} 42\n",
        f"\n{RESULT_PREFIX} {MARKER} 2/2 {'f' * 32} [\n",
        *(line + "\n" for line in result_lines("k3v5x2qamd-0-1-8-20", "42")),
    ]
)


def text_of(value: Any) -> str:
    return json.dumps(to_json_types(value, "it"), allow_nan=False)


def written(printed: list[str], lines: list[str]) -> tuple[str, str]:
    """Interleave result lines with other output; return the log, and the log without the result lines."""
    log = seen = ""
    for text, line in zip(printed, [*lines, None], strict=True):
        log += text
        seen += text
        if line is not None:
            log += f"\n{line}\n"
            seen += "" if seen == "" or seen.endswith("\n") else "\n"
    return log, seen


@given(value=JSON, data=st.data())
def test_parsing_returns_the_exact_result_and_the_exact_output(value: Any, data: st.DataObject) -> None:
    lines = result_lines(MARKER, text_of(value))
    count = len(lines) + 1
    printed = data.draw(st.lists(PRINTED, min_size=count, max_size=count))
    log, seen = written(printed, lines)
    parsed = parse_log(log, MARKER)
    assert parsed.result is not None
    assert repr(json.loads(parsed.result)) == repr(value)
    assert parsed.log == seen


@given(length=st.integers(min_value=0, max_value=20_000), data=st.data())
def test_a_long_result_survives_interleaved_output(length: int, data: st.DataObject) -> None:
    value = "".join(chr(33 + index % 90) for index in range(length))
    lines = result_lines(MARKER, text_of(value))
    printed = data.draw(st.lists(PRINTED, min_size=len(lines) + 1, max_size=len(lines) + 1))
    log, seen = written(printed, lines)
    parsed = parse_log(log, MARKER)
    assert parsed == ParsedLog(seen, text_of(value))


@given(length=st.integers(min_value=0, max_value=300_000))
def test_a_result_line_is_short_enough_for_an_atomic_write(length: int) -> None:
    assert all(len(f"\n{line}\n") <= LINE_BYTES for line in result_lines(MARKER, "x" * length))


@given(value=JSON, start=st.integers(0, 400), end=st.integers(0, 400))
def test_a_truncated_log_gives_the_right_result_or_none(value: Any, start: int, end: int) -> None:
    """A kubelet that rotates a log keeps its newest part; a kubectl that fails returns its first part."""
    log, _ = written(
        ["before\n", *([""] * len(result_lines(MARKER, text_of(value))))],
        result_lines(MARKER, text_of(value)),
    )
    assert parse_log(log[start : len(log) - end], MARKER).result in (None, text_of(value))


@given(value=JSON, data=st.data())
def test_a_corrupted_log_gives_the_right_result_or_none(value: Any, data: st.DataObject) -> None:
    log = "".join(f"\n{line}\n" for line in result_lines(MARKER, text_of(value)))
    place = data.draw(st.integers(0, len(log) - 1))
    other = data.draw(st.characters())
    changed = log[:place] + other + log[place + 1 :]
    assert parse_log(changed, MARKER).result in (None, text_of(value))


def test_a_missing_line_gives_no_result() -> None:
    lines = result_lines(MARKER, json.dumps("x" * 10_000))
    assert len(lines) == 3
    for missing in lines:
        parsed = parse_log("\n".join(line for line in lines if line != missing), MARKER)
        assert parsed.result is None
        assert parsed.fault == "part of it is missing"


def test_lines_may_be_reordered_and_repeated() -> None:
    text = json.dumps("x" * 10_000)
    lines = result_lines(MARKER, text)
    assert parse_log("\n".join([*reversed(lines), *lines]), MARKER).result == text


def test_two_different_results_give_no_result() -> None:
    """From a forked child that returned too, or from a program that prints such lines itself."""
    parsed = parse_log("\n".join(result_lines(MARKER, "1") + result_lines(MARKER, "2")), MARKER)
    assert parsed.result is None
    assert parsed.fault == "the log has 2 different results"


@pytest.mark.parametrize("marker", ["k3v5x2qamd-0-1-8-20", "k3v5x2qamd-0-2-7-20", "k3v5x2qamd-0-1-7-10"])
def test_another_session_s_result_is_ignored(marker: str) -> None:
    """For example one that was copied from another session's log, or one for another share of the work."""
    log = "".join(f"{line}\n" for line in result_lines(marker, "42"))
    assert parse_log(log, MARKER) == ParsedLog(log)


def test_a_result_in_the_middle_of_a_line_is_ignored() -> None:
    (line,) = result_lines(MARKER, "42")
    assert parse_log(f"it prints {line}\n", MARKER).result is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "it is nan, which JSON cannot represent; use None instead"),
        ({"flux": [1.0, float("-inf")]}, "it['flux'][1] is -inf"),
        ({7: "a"}, "it has the key 7 of type int; JSON keys must be strings"),
        ([{1, 2}], "it[0] is of type set, which JSON cannot represent"),
        (b"bytes", "it is of type bytes"),
        (
            [date(2026, 3, 4)],
            "it[0] is of type datetime.date, which JSON cannot represent; use its isoformat() instead",
        ),
        ([10**4200], "it[0] is a number of more than 4,000 digits"),
    ],
)
def test_the_error_names_the_place_and_type_that_json_cannot_represent(value: object, message: str) -> None:
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 - the test checks its message
        to_json_types(value, "it")
    assert str(refusal.value).startswith(message)


def test_the_error_suggests_str_for_a_path() -> None:
    with pytest.raises(
        ValueError, match=r"PurePosixPath, which JSON cannot represent; use its str\(\) instead"
    ):
        to_json_types(PurePosixPath("/arc"), "it")


def test_a_list_that_contains_itself_is_rejected() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ValueError, match="nested deeper than 100 lists and dicts; it may contain itself"):
        to_json_types(endless, "it")


def test_a_tuple_becomes_a_list_and_a_numpy_float_a_float() -> None:
    numpy = pytest.importorskip("numpy")
    assert text_of({"a": (1, 2), "b": numpy.float64(0.5)}) == '{"a": [1, 2], "b": 0.5}'
    with pytest.raises(
        ValueError, match=r"of type numpy\.int64, which JSON cannot represent; use its tolist"
    ):
        to_json_types(numpy.int64(3), "it")
