"""What a task tells about its replicas."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.skaha.errors import (
    SessionFailed,
    SessionGone,
    SessionNeverStarted,
    Unreachable,
)
from airflow_provider_canfar.skaha.log_line import WarningLine
from airflow_provider_canfar.skaha.naming import Identity
from airflow_provider_canfar.skaha.statuses import GONE, NEVER_STARTED
from airflow_provider_canfar.task_sessions.batch import AssignedSession, Batch, Outcome
from airflow_provider_canfar.task_sessions.replica_numbers import NUMBERED
from airflow_provider_canfar.task_sessions.report import (
    DESCRIBED,
    TAIL_BYTES,
    TAIL_LINE_BYTES,
    TAIL_LINES,
    allowed_failures,
    failure,
    log_lines,
    shortened,
    tail,
    timed_out,
    unsettled_ids,
)

IDENTITY = Identity("stars", "k3v5x2qamd", 0)

#: How each failure ends.
ADVICE = (
    "Fix the cause. A retry runs only the failed replicas again; clearing the task runs all of them, unless "
    "on_clear is 'resume'."
)
ADVICE_FOR_ONE = "Fix the cause. A retry runs it again, and so does clearing the task."


def outcome(replica: int, status: str = "Completed", *, try_number: int = 1) -> Outcome:
    name = str(IDENTITY.name(replica, try_number))
    return Outcome(replica, f"id{replica}", name, status, status == "Completed", try_number)


def batch(replicas: int, *outcomes: Outcome, try_number: int = 1) -> Batch:
    return Batch(IDENTITY, try_number, replicas).record(outcomes)


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


def test_a_log_of_one_enormous_line_makes_a_short_error() -> None:
    known = batch(1, outcome(1, "Failed"))
    words = str(failure(known, {"id1": tail("ValueError: " + "x" * 3_000_000 + " in m13.fits\n")}, 0))
    assert len(words.encode()) < TAIL_LINE_BYTES + 200
    assert "ValueError: xxx" in words
    assert words.endswith(f"xxx in m13.fits\n{ADVICE_FOR_ONE}")


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


def test_a_failure_names_each_replica_with_its_last_lines() -> None:
    known = batch(3, outcome(1), outcome(2, "Failed"), outcome(3, GONE))
    error = failure(known, {"id2": "no such file"}, 0)
    assert str(error).splitlines() == [
        "2 of 3 replicas failed.",
        "Replica 2, session id2 (stars-k3v5x2qamd-0-2-1): Failed.",
        "Its last lines:",
        "no such file",
        "Replica 3, session id3 (stars-k3v5x2qamd-0-3-1): Gone.",
        "The platform no longer has it: somebody deleted it, or it ended over an hour ago.",
        ADVICE,
    ]
    assert isinstance(error, SessionFailed)
    assert (error.session_id, error.replica, error.log_tail) == ("id2", 2, "no such file")


def test_where_all_that_failed_are_gone_the_error_says_so_by_its_class() -> None:
    known = batch(2, outcome(1), outcome(2, GONE)).with_observations({}, ["id2"])
    error = failure(known, {}, 0)
    assert isinstance(error, SessionGone)
    assert "somebody deleted it, or it ended over an hour ago" in str(error)
    assert str(error).endswith("A retry runs them again, and so does clearing the task.")
    assert "Fix" not in str(error)


def test_an_empty_log_is_said_to_be_empty() -> None:
    assert "It wrote no output." in str(failure(batch(1, outcome(1, "Failed")), {"id1": ""}, 0))


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


def test_a_log_that_the_platform_has_forgotten_since_is_not_told_to_be_empty() -> None:
    known = batch(1, outcome(1, "Failed"))
    assert str(failure(known, {}, 0)).endswith(
        f"The platform no longer has its log; see above for what it showed earlier.\n{ADVICE_FOR_ONE}"
    )


def test_failures_that_the_author_allows_are_numbered() -> None:
    known = batch(24, *(outcome(replica, "Failed") for replica in (5, 7, 8, 9)))
    line = allowed_failures(known, 10)
    assert isinstance(line, WarningLine)
    assert line == ("4 of 24 replicas failed, which max_failed_replicas=10 allows: replicas 5, 7-9.")
    assert allowed_failures(batch(24, outcome(5, "Failed")), 3) == (
        "1 of 24 replicas failed, which max_failed_replicas=3 allows: replica 5."
    )


def test_a_failure_says_how_many_may_fail() -> None:
    known = batch(3, outcome(1, "Failed"), outcome(2, "Failed"))
    assert str(failure(known, {}, 1)).startswith("2 of 3 replicas failed (max_failed_replicas is 1).")


def test_of_many_failures_a_few_are_described_and_the_others_numbered() -> None:
    known = batch(20, *(outcome(replica, "Failed") for replica in range(1, 9)))
    words = str(failure(known, {}, 0))
    assert words.count("(stars-k3v5x2qamd-0-") == DESCRIBED
    assert words.endswith(f"Replicas 6-8 failed too; their logs are above.\n{ADVICE}")


def test_of_thousands_of_failures_some_are_numbered_and_the_others_counted() -> None:
    words = str(failure(batch(5000, *(outcome(replica, "Failed") for replica in range(1, 5001))), {}, 0))
    assert words.endswith(f"Replicas 6-5000 failed too; their logs are above.\n{ADVICE}")


def stuck(replica: int, reason: str, *, retryable: bool = False) -> Outcome:
    return replace(outcome(replica, NEVER_STARTED), reason=reason, retryable=retryable)


def test_a_replica_that_did_not_start_is_named_with_its_reason_and_no_log() -> None:
    error = failure(batch(3, outcome(1), stuck(3, "manifest unknown. Check it.")), {}, 0)
    assert str(error).splitlines() == [
        "1 of 3 replicas failed.",
        "Replica 3, session id3 (stars-k3v5x2qamd-0-3-1) did not start: manifest unknown. Check it.",
    ]
    assert isinstance(error, SessionNeverStarted)


@pytest.mark.parametrize(
    ("failed", "kind", "retryable"),
    [
        ([stuck(1, "not found"), stuck(2, "denied")], SessionNeverStarted, False),
        ([stuck(1, "not found"), stuck(2, "503", retryable=True)], SessionNeverStarted, True),
        ([stuck(1, "not found"), outcome(2, "Failed")], SessionFailed, True),
        ([stuck(1, "not found"), outcome(2, GONE)], SessionFailed, True),
    ],
)
def test_a_retry_cannot_help_only_where_it_can_help_no_replica(
    failed: list[Outcome], kind: type[Exception], *, retryable: bool
) -> None:
    error = failure(batch(2, *failed), {}, 0)
    assert (type(error), error.retryable) == (kind, retryable)


def test_of_thousands_of_sessions_that_do_not_start_some_are_described() -> None:
    outcomes = [stuck(number, "::group::" + "no " * 10**4) for number in range(1, 5001)]
    error = failure(batch(5000, *outcomes), {}, 0)
    assert len(str(error).encode()) < (DESCRIBED + 2) * (TAIL_LINE_BYTES + 100)
    assert str(error).endswith("Replicas 6-5000 failed too; see above.")
    assert "::group::" not in str(error)


def test_of_thousands_of_sessions_that_had_not_ended_some_are_named() -> None:
    launched = {
        replica: AssignedSession(f"id{replica}", str(IDENTITY.name(replica, 1))) for replica in range(1, 5001)
    }
    known = batch(5000).assign(launched)
    assert str(timed_out(known, destroys=True)).endswith(f"id{NUMBERED} and 4,900 more.")
    assert unsettled_ids(batch(1)) == "none"


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
