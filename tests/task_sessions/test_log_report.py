"""What a task shows of its replicas' logs."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.skaha.errors import (
    Unreachable,
)
from airflow_provider_canfar.skaha.naming import Identity
from airflow_provider_canfar.skaha.statuses import GONE
from airflow_provider_canfar.task_sessions.batch import Outcome
from airflow_provider_canfar.task_sessions.log_report import (
    TAIL_BYTES,
    TAIL_LINES,
    log_lines,
    shortened,
    tail,
)

IDENTITY = Identity("stars", "k3v5x2qamd", 0)


def outcome(replica: int, status: str = "Completed", *, try_number: int = 1) -> Outcome:
    name = str(IDENTITY.name(replica, try_number))
    return Outcome(replica, f"id{replica}", name, status, status == "Completed", try_number)


def test_a_log_is_a_group_that_airflow_folds() -> None:
    assert list(log_lines(outcome(1, "Failed"), "one\ntwo\n")) == [
        "::group::Log of replica 1: stars-k3v5x2qamd-0-1-1 id1 Failed",
        "one",
        "two",
        "::endgroup::",
    ]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (None, "(no output)"),
        (Unreachable("no answer came"), "(The platform did not return this log: no answer came)"),
    ],
)
def test_a_log_that_is_empty_says_why(fault: Exception | None, words: str) -> None:
    assert list(log_lines(outcome(1), "", fault))[1] == words


def test_of_a_long_log_the_end_is_shown() -> None:
    shown = list(log_lines(outcome(1), "one\n" * 1000 + "the end\n", max_bytes=20))
    assert shown[1] == "(All but the last 20 bytes are omitted.)"
    assert shown[2:-1] == ["one", "one", "one", "the end"]


@given(log=st.text(max_size=60), max_bytes=st.integers(1, 70))
def test_a_shortened_log_is_the_end_of_the_log_and_no_longer_than_it_may_be(log: str, max_bytes: int) -> None:
    data = log.encode()
    shown = shortened(log, max_bytes)
    if len(data) <= max_bytes:
        assert shown == log
    else:
        note, _, end = shown.partition("\n")
        assert note.startswith("(All but the last ")
        # A character that the cut goes through is shown as one that cannot be read.
        whole = end.encode().replace("\N{REPLACEMENT CHARACTER}".encode(), b"")
        assert len(whole) <= max_bytes
        assert data.endswith(whole) or "\N{REPLACEMENT CHARACTER}" in log


def test_a_log_without_a_bound_is_shown_as_it_is() -> None:
    assert shortened("one\n" * 10**5, None) == "one\n" * 10**5


def test_the_last_lines_are_the_last_that_say_something() -> None:
    log = "\n".join(str(number) for number in range(100)) + "\n \n\x1b[0m\n\r\n\n"
    assert tail(log).splitlines() == [str(number) for number in range(100 - TAIL_LINES, 100)]
    assert tail("") == ""


@given(lines=st.lists(st.text(st.characters(), max_size=50), max_size=20), repeated=st.integers(1, 100))
def test_the_last_lines_are_bounded_in_bytes_and_valid_utf_8(lines: list[str], repeated: int) -> None:
    shown = tail("\n".join(line * repeated for line in lines))
    assert len(shown.encode()) <= TAIL_BYTES
    assert shown.count("\n") < TAIL_LINES


def test_a_progress_bar_does_not_fill_the_last_lines() -> None:
    bar = "\r".join(f"{number}/20000" for number in range(20_001))
    assert tail(f"reading m13.fits\n{bar}\nno such plate\n") == "reading m13.fits\n20000/20000\nno such plate"


def test_the_last_lines_have_no_colours_and_the_log_has_them() -> None:
    log = "\x1b[31mno such plate\x1b[0m\x1b[K\n"
    assert tail(log) == "no such plate"
    assert list(log_lines(outcome(1), log))[1] == "\x1b[31mno such plate\x1b[0m"


def test_output_cannot_end_or_begin_a_fold() -> None:
    printed = "before\n::endgroup::\nafter\x1b[0m::group::mine\n"
    lines = list(log_lines(outcome(1), printed))
    assert sum("::group::" in line or "::endgroup::" in line for line in lines) == 2
    assert lines[1:-1] == ["before", ": :endgroup: :", "after\x1b[0m: :group: :mine"]


@given(log=st.text(st.characters(), max_size=100), max_bytes=st.integers(1, 50))
def test_a_shown_log_is_bounded_whatever_it_holds(log: str, max_bytes: int) -> None:
    _, *lines, _ = log_lines(outcome(1), log, max_bytes=max_bytes)
    if lines[0].startswith("(All but the last "):
        del lines[0]
    shown = "\n".join(lines).replace("\N{REPLACEMENT CHARACTER}", "")
    assert len(shown.encode()) <= max(max_bytes, len("(no output)"))


def test_the_log_of_a_session_that_is_gone_is_not_said_to_be_empty() -> None:
    assert list(log_lines(outcome(1, GONE), ""))[1] == "(The platform no longer has this log.)"


def test_an_exception_is_quoted_even_if_buffered_output_follows_it() -> None:
    raised = 'Traceback (most recent call last):\n  File "fit.py", line 3\nOSError: no such plate\n'
    output = "".join(f"line {number}\n" for number in range(30))
    assert tail(raised + output).split("\n") == [
        "OSError: no such plate",
        "...",
        *(f"line {number}" for number in range(22, 30)),
    ]
    assert tail(output + raised).split("\n")[-1] == "OSError: no such plate"
    assert tail(output + "Traceback (most recent call last):\n").split("\n")[0] == "line 21"


def test_people_read_an_outcome_in_its_own_words() -> None:
    assert asdict(replace(outcome(1), result="[1]")) == {
        "replica": 1,
        "session_id": "id1",
        "name": "stars-k3v5x2qamd-0-1-1",
        "status": "Completed",
        "succeeded": True,
        "try_number": 1,
        "started": None,
        "result": "[1]",
        "reason": None,
        "retryable": True,
        "usage": None,
    }
