"""Parsing a result from a log, whatever else is in it: the right result or none."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from pathlib import PurePosixPath
from types import FrameType
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_canfar.decorators._function_runner import (
    LINE_BYTES,
    RESULT_PREFIX,
    end_line,
    result_lines,
)
from airflow_provider_canfar.decorators._json_types import MAX_DEPTH, RESERVED_KEYS, to_json_types
from airflow_provider_canfar.decorators._result_lines import ParsedLog, parse_log
from tests.airflow_versions import FORBIDDEN_XCOM_KEYS
from tests.airflow_versions import deserialize as deserialize_xcom
from tests.airflow_versions import serialize as serialize_xcom

MARKER = "k3v5x2qamd-0-1-7-20"

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))

KEYS = TEXT.filter(lambda key: key not in RESERVED_KEYS)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**63), max_value=2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
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
    assert parsed == ParsedLog(seen, text_of(value), exit_status=0)


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
    assert len(lines) == 4
    for missing in lines:
        parsed = parse_log("\n".join(line for line in lines if line != missing), MARKER)
        assert parsed.result is None
        assert parsed.fault == ("its end is missing" if missing == lines[-1] else "part of it is missing")


@pytest.mark.parametrize("status", [0, 1, 255])
def test_an_end_without_a_result_gives_the_exit_status(status: int) -> None:
    log = f"printed\n\n{end_line(MARKER, status)}\n"
    assert parse_log(log, MARKER) == ParsedLog("printed\n", exit_status=status)
    assert f"it called sys.exit({status}) before it returned" in parse_log(log, MARKER).missing_reason


def test_an_end_with_a_wrong_checksum_is_output() -> None:
    line = end_line(MARKER, 0).replace("end 0", "end 1") + "\n"
    assert parse_log(line, MARKER) == ParsedLog(line)


@pytest.mark.parametrize("statuses", [[1], [0, 1]])
def test_a_result_beside_another_end_is_none(statuses: list[int]) -> None:
    lines = [*result_lines(MARKER, "42")[:-1], *(end_line(MARKER, status) for status in statuses)]
    parsed = parse_log("\n".join(lines), MARKER)
    assert parsed.result is None
    assert parsed.fault


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
    line, end = result_lines(MARKER, "42")
    assert parse_log(f"it prints {line}\n{end}\n", MARKER).result is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "it is nan, which JSON cannot represent; use None instead"),
        ({"flux": [1.0, float("-inf")]}, "it['flux'][1] is -inf"),
        ({7: "a"}, "it has the key 7 of type int; JSON keys must be strings"),
        ([{1, 2}], "it[0] is of type set, which JSON cannot represent"),
        (b"bytes", "it is of type bytes, which JSON cannot represent; use its hex() instead"),
        (
            [date(2026, 3, 4)],
            "it[0] is of type datetime.date, which JSON cannot represent; use its isoformat() instead",
        ),
        ([10**4200], "it[0] is an integer of more than 64 bits; use a float or a string instead"),
        ({"a": [1, {"b": 2**64}]}, "it['a'][1]['b'] is an integer of more than 64 bits"),
        (-(2**63) - 1, "it is an integer of more than 64 bits"),
        (["plate\0"], "it[0] has a NUL character, which databases cannot store"),
        ({"a\0": 1}, "the key 'a\\x00' of it has a NUL character"),
        (
            [{"m13\udcff.fits": 1}],
            "the key 'm13\\udcff.fits' of it[0] has the lone surrogate '\\udcff', which",
        ),
        (
            ["m13\udcff.fits"],
            (
                "it[0] has the lone surrogate '\\udcff', which UTF-8 cannot encode; for a file name, use "
                "os.fsencode(name).decode(errors='backslashreplace') instead"
            ),
        ),
        ([{"__classname__": 1}], "it[0] has the key '__classname__', which Airflow's serialization reserves"),
        ({"__type": 1, "__var": 2}, "it has the key '__type', which Airflow's serialization reserves"),
        (frozenset("a"), "it is of type frozenset, which JSON cannot represent; use a sorted list instead"),
        (iter([1]), "it is of type list_iterator, which JSON cannot represent; use a list instead"),
        (1j, "it is of type complex"),
        (
            timedelta(1),
            "it is of type datetime.timedelta, which JSON cannot represent; use its total_seconds()",
        ),
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
    with pytest.raises(ValueError, match="nested deeper than 90 lists and dicts; it may contain itself"):
        to_json_types(endless, "it")


def test_a_list_that_contains_the_same_list_again_and_again_is_rejected() -> None:
    """It takes a few hundred bytes of memory, and a billion in JSON."""
    many: list[Any] = [1]
    for _ in range(30):
        many = [many, many]
    with pytest.raises(ValueError, match="is one of more than 1,000,000 values; write them to a file"):
        to_json_types(many, "it")


#: Values of which many come out of XCom changed, or not at all.
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**66), 2**66)
    | st.sampled_from([2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1])
    | st.floats()
    | st.text(st.characters(), max_size=4),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(), max_size=3) | st.sampled_from(sorted(FORBIDDEN_XCOM_KEYS)),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(value=ANYTHING)
@example(value={"__type": "set", "__var": [1]})
def test_a_value_that_is_accepted_comes_out_of_xcom_as_it_was(value: Any) -> None:
    try:
        text = text_of(value)
    except ValueError:
        return
    assert "\\u0000" not in text.replace("\\\\", "")  # PostgreSQL's JSONB has no NUL.
    pushed = msgspec.msgpack.decode(msgspec.msgpack.encode(serialize_xcom(json.loads(text))))
    stored = json.dumps(pushed, allow_nan=False, ensure_ascii=False).encode()
    pulled = msgspec.msgpack.decode(msgspec.msgpack.encode(json.loads(stored)))
    assert repr(deserialize_xcom(pulled)) == repr(value)


def test_the_deepest_value_that_is_accepted_passes_through_airflow_and_its_databases() -> None:
    deepest: Any = 1
    for _ in range(MAX_DEPTH):
        deepest = [deepest]
    assert json.loads(text_of(deepest)) == deepest
    assert serialize_xcom([deepest]) == [deepest]
    assert MAX_DEPTH + 2 <= 100  # MySQL's limit, with the value itself and the list of all results.
    with pytest.raises(ValueError, match="nested deeper"):
        text_of([deepest])


def test_the_reserved_keys_are_airflow_s() -> None:
    assert RESERVED_KEYS == FORBIDDEN_XCOM_KEYS


# --- what a program prints in place of a result


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[" * 100_000, "it is nested deeper than 90 lists and dicts"),
        ("[" * 92 + "]" * 92, "it is nested deeper than 90 lists and dicts"),
        ('{"a":' * 40_000 + "1" + "}" * 40_000, "it is nested deeper than 90 lists and dicts"),
        ('"' + "x" * 262_143 + '"', "it has more than 262,144 bytes"),
        ("NaN", "it contains NaN"),
        ("[-Infinity]", "it contains -Infinity"),
        ("1e999", "result is inf"),
        ("9" * 5000, ""),
        ("[18446744073709551616]", "result[0] is an integer of more than 64 bits"),
        ('["\\udcff"]', "result[0] has the lone surrogate"),
        ('"\\u0000"', "result has a NUL character"),
        ('{"__classname__": "builtins.set"}', "result has the key '__classname__'"),
        ("[1,", ""),
        ("'", ""),
        ('"' + '\\"' * 100_000, ""),
    ],
    ids=range(15),
)
def test_a_forged_result_is_none_and_says_why(text: str, fault: str) -> None:
    parsed = parse_log("\n".join(result_lines(MARKER, text)), MARKER)
    assert parsed.result is None
    assert parsed.fault.startswith(f"what is there is not one that a function returns: {fault}")
    assert parsed.log == ""


def test_brackets_in_strings_are_not_nesting() -> None:
    text = text_of(["[" * 1000, '"[' * 1000, "\\[" * 1000])
    assert parse_log("\n".join(result_lines(MARKER, text)), MARKER).result == text


def look_alikes(count: int) -> dict[str, str]:
    """Return logs of lines that look like a result's, each in another way."""
    head = f"{RESULT_PREFIX} {MARKER}"
    return {
        "checksums": "".join(f"{head} 1/1 {number:032x} 1\n" for number in range(count)),
        "totals": "".join(f"{head} 1/{number % 999} {'0' * 32} 1\n" for number in range(count)),
        "numbers": "".join(f"{head} {number % 999}/999 {'0' * 32} 1\n" for number in range(count)),
        "one line": f"{head} 1/1 {'0' * 32} " * count + "\t\n",
        "heads": f"{head}\n" * count,
        "results": "".join(
            f"{line}\n" for number in range(count) for line in result_lines(MARKER, str(number))
        ),
    }


@pytest.mark.parametrize("kind", sorted(look_alikes(1)))
def test_ten_times_as_many_lines_that_look_like_a_result_take_ten_times_the_work(kind: str) -> None:
    # Python 3.12 counts the instructions only from the second call on.
    _, few, many = (work_of(partial(parse_log, look_alikes(count)[kind], MARKER)) for count in (5, 50, 500))
    assert many < 11 * few + 1000


def work_of(call: Callable[[], Any]) -> int:
    """Count the bytecode instructions that a call executes."""
    count = 0

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


@given(
    text=st.text('[]{}"\\,:1eaN-', max_size=60).map(lambda text: text * 3),
    repeated=st.integers(1, 500),
)
def test_whatever_a_program_prints_the_reader_raises_nothing(text: str, repeated: int) -> None:
    parsed = parse_log("\n".join(result_lines(MARKER, text * repeated)), MARKER)
    if parsed.result is not None:
        assert json.loads(text_of(json.loads(parsed.result))) == json.loads(parsed.result)


def test_a_tuple_becomes_a_list_and_a_numpy_float_a_float() -> None:
    numpy = pytest.importorskip("numpy")
    assert text_of({"a": (1, 2), "b": numpy.float64(0.5)}) == '{"a": [1, 2], "b": 0.5}'
    with pytest.raises(
        ValueError, match=r"of type numpy\.int64, which JSON cannot represent; use its tolist"
    ):
        to_json_types(numpy.int64(3), "it")
