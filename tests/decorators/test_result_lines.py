"""Reading a result out of a log, whatever else is in it: the right one or none."""

from __future__ import annotations

import json
from datetime import date
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.decorators._function_runner import LINE_BYTES, MARK, result_lines, to_json_types
from airflow_provider_canfar.decorators._result_lines import Reading, read

TOKEN = "k3v5x2qamd-0-1-7-20"

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(10**30), max_value=10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)

#: What programs print: text with newlines of all kinds, and what looks like a result.
PRINTED = st.text(max_size=40) | st.sampled_from(
    [
        "\n",
        "50%|#####     |\r",
        f"{MARK} ",
        f"{MARK} {TOKEN} 1/1 {'0' * 32} 42",
        f"{MARK} {TOKEN} 1/1 {'0' * 32} 42\n",
        f"\n{MARK} {TOKEN} 2/2 {'f' * 32} [\n",
        *(line + "\n" for line in result_lines("k3v5x2qamd-0-1-8-20", "42")),
    ]
)


def text_of(value: Any) -> str:
    return json.dumps(to_json_types(value, "it"), allow_nan=False)


def written(printed: list[str], lines: list[str]) -> tuple[str, str]:
    """Write lines of a result among what others print; return the log, and the log without the lines."""
    log = seen = ""
    for text, line in zip(printed, [*lines, None], strict=True):
        log += text
        seen += text
        if line is not None:
            log += f"\n{line}\n"
            seen += "" if seen == "" or seen.endswith("\n") else "\n"
    return log, seen


@given(value=JSON, data=st.data())
def test_a_result_comes_back_exactly_and_leaves_what_was_printed(value: Any, data: st.DataObject) -> None:
    lines = result_lines(TOKEN, text_of(value))
    count = len(lines) + 1
    printed = data.draw(st.lists(PRINTED, min_size=count, max_size=count))
    log, seen = written(printed, lines)
    reading = read(log, TOKEN)
    assert reading.result is not None
    assert repr(json.loads(reading.result)) == repr(value)
    assert reading.log == seen


@given(length=st.integers(min_value=0, max_value=20_000), data=st.data())
def test_a_long_result_comes_back_from_among_what_others_print_meanwhile(
    length: int, data: st.DataObject
) -> None:
    value = "".join(chr(33 + index % 90) for index in range(length))
    lines = result_lines(TOKEN, text_of(value))
    printed = data.draw(st.lists(PRINTED, min_size=len(lines) + 1, max_size=len(lines) + 1))
    log, seen = written(printed, lines)
    reading = read(log, TOKEN)
    assert reading == Reading(seen, text_of(value))


@given(length=st.integers(min_value=0, max_value=300_000))
def test_a_line_is_short_enough_to_be_written_in_one_go(length: int) -> None:
    assert all(len(f"\n{line}\n") <= LINE_BYTES for line in result_lines(TOKEN, "x" * length))


@given(value=JSON, start=st.integers(0, 400), end=st.integers(0, 400))
def test_a_log_that_was_cut_gives_the_right_result_or_none(value: Any, start: int, end: int) -> None:
    """A kubelet that rotates a log keeps the newest part of it; a kubectl that fails gives the first part."""
    log, _ = written(
        ["before\n", *([""] * len(result_lines(TOKEN, text_of(value))))], result_lines(TOKEN, text_of(value))
    )
    assert read(log[start : len(log) - end], TOKEN).result in (None, text_of(value))


@given(value=JSON, data=st.data())
def test_a_log_that_was_changed_gives_the_right_result_or_none(value: Any, data: st.DataObject) -> None:
    log = "".join(f"\n{line}\n" for line in result_lines(TOKEN, text_of(value)))
    place = data.draw(st.integers(0, len(log) - 1))
    other = data.draw(st.characters())
    changed = log[:place] + other + log[place + 1 :]
    assert read(changed, TOKEN).result in (None, text_of(value))


def test_a_result_of_which_a_line_is_missing_is_none() -> None:
    lines = result_lines(TOKEN, json.dumps("x" * 10_000))
    assert len(lines) == 3
    for missing in lines:
        reading = read("\n".join(line for line in lines if line != missing), TOKEN)
        assert reading.result is None
        assert reading.fault == "part of it is missing"


def test_lines_in_any_order_and_twice_make_the_same_result() -> None:
    text = json.dumps("x" * 10_000)
    lines = result_lines(TOKEN, text)
    assert read("\n".join([*reversed(lines), *lines]), TOKEN).result == text


def test_two_different_results_are_none() -> None:
    """A fork that returned as well, or a program that has made a line of the kind itself."""
    reading = read("\n".join(result_lines(TOKEN, "1") + result_lines(TOKEN, "2")), TOKEN)
    assert reading.result is None
    assert reading.fault == "there are 2 different ones"


@pytest.mark.parametrize("token", ["k3v5x2qamd-0-1-8-20", "k3v5x2qamd-0-2-7-20", "k3v5x2qamd-0-1-7-10"])
def test_another_replica_s_result_is_none_of_this_one_s(token: str) -> None:
    """One that was printed from another session's log, say, or one that had another share of the work."""
    log = "".join(f"{line}\n" for line in result_lines(token, "42"))
    assert read(log, TOKEN) == Reading(log)


def test_a_result_in_the_middle_of_a_line_is_none() -> None:
    (line,) = result_lines(TOKEN, "42")
    assert read(f"it prints {line}\n", TOKEN).result is None


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (float("nan"), "it is nan, which JSON has no number for; None may stand for it"),
        ({"flux": [1.0, float("-inf")]}, "it['flux'][1] is -inf"),
        ({7: "a"}, "it has the key 7 of type int, and a key in JSON is a string"),
        ([{1, 2}], "it[0] is of type set, which JSON has no form for"),
        (b"bytes", "it is of type bytes"),
        (
            [date(2026, 3, 4)],
            "it[0] is of type datetime.date, which JSON has no form for; its isoformat() may",
        ),
        ([10**4200], "it[0] is a number of more than 4,000 digits"),
    ],
)
def test_what_json_has_no_form_for_is_refused_by_its_place_and_type(value: object, words: str) -> None:
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 - its words are what is looked at
        to_json_types(value, "it")
    assert str(refusal.value).startswith(words)


def test_a_path_may_stand_as_its_text() -> None:
    with pytest.raises(ValueError, match=r"PurePosixPath, which JSON has no form for; its str\(\) may stand"):
        to_json_types(PurePosixPath("/arc"), "it")


def test_what_contains_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ValueError, match="nested deeper than 100 lists and dicts; it may contain itself"):
        to_json_types(endless, "it")


def test_a_tuple_becomes_a_list_and_numpy_s_float_a_float() -> None:
    numpy = pytest.importorskip("numpy")
    assert text_of({"a": (1, 2), "b": numpy.float64(0.5)}) == '{"a": [1, 2], "b": 0.5}'
    with pytest.raises(ValueError, match=r"of type numpy\.int64, which JSON has no form for; its tolist"):
        to_json_types(numpy.int64(3), "it")
