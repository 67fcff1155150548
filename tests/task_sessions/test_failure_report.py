"""Why a task failed, as its error says."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from airflow_provider_canfar.skaha.errors import (
    SessionFailed,
    SessionGone,
    SessionNeverStarted,
)
from airflow_provider_canfar.skaha.log_line import WarningLine
from airflow_provider_canfar.skaha.naming import Identity
from airflow_provider_canfar.skaha.statuses import GONE, NEVER_STARTED
from airflow_provider_canfar.task_sessions.batch import AssignedSession, Batch, Outcome
from airflow_provider_canfar.task_sessions.failure_report import (
    DESCRIBED,
    allowed_failures,
    failure,
    never_started,
    timed_out,
    unsettled_ids,
)
from airflow_provider_canfar.task_sessions.log_report import TAIL_LINE_BYTES, tail
from airflow_provider_canfar.task_sessions.replica_numbers import NUMBERED
from airflow_provider_canfar.task_sessions.run_options import RunOptions

IDENTITY = Identity("stars", "k3v5x2qamd", 0)

#: How each failure ends.
ADVICE = "Fix the cause. A retry runs only what has not succeeded; clearing the task runs all of it."
ADVICE_FOR_ONE = "Fix the cause. A retry runs it again, and so does clearing the task."


def outcome(replica: int, status: str = "Completed", *, try_number: int = 1) -> Outcome:
    name = str(IDENTITY.name(replica, try_number))
    return Outcome(replica, f"id{replica}", name, status, status == "Completed", try_number)


def batch(replicas: int, *outcomes: Outcome, try_number: int = 1) -> Batch:
    return Batch(IDENTITY, try_number, replicas).record(outcomes)


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


def test_a_log_of_one_enormous_line_makes_a_short_error() -> None:
    known = batch(1, outcome(1, "Failed"))
    words = str(failure(known, {"id1": tail("ValueError: " + "x" * 3_000_000 + " in m13.fits\n")}, 0))
    assert len(words.encode()) < TAIL_LINE_BYTES + 200
    assert "ValueError: xxx" in words
    assert words.endswith(f"xxx in m13.fits\n{ADVICE_FOR_ONE}")


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
    words = str(failure(known, {f"id{replica}": f"plate {replica}" for replica in range(1, 9)}, 0))
    assert words.count("(stars-k3v5x2qamd-0-") == DESCRIBED
    assert words.endswith(f"Replicas 6-8 failed too; their logs are above.\n{ADVICE}")


def test_where_a_clear_resumes_the_advice_says_so() -> None:
    error = failure(batch(2, outcome(1, "Failed")), {"id1": ""}, 0, resumes=True)
    assert str(error).endswith(
        "Fix the cause. A retry runs only what has not succeeded, and so does clearing the task."
    )


def test_replicas_that_failed_alike_are_described_once() -> None:
    alike = {f"id{replica}": "ModuleNotFoundError: No module named 'galpy'" for replica in (1, 2, 3, 9)}
    known = batch(20, *(outcome(replica, "Failed") for replica in (1, 2, 3, 4, 9)))
    assert str(failure(known, alike | {"id4": ""}, 0)).splitlines() == [
        "5 of 20 replicas failed.",
        "Replicas 1-3, 9: Failed.",
        "Their last lines:",
        "ModuleNotFoundError: No module named 'galpy'",
        "Replica 4, session id4 (stars-k3v5x2qamd-0-4-1): Failed.",
        "It wrote no output.",
        *ADVICE.splitlines(),
    ]


@pytest.mark.parametrize(
    "reason", ["executable file not found in $PATH", "stat pyhton: no such file or directory"]
)
def test_a_program_that_the_image_does_not_have_is_named(reason: str) -> None:
    runtime = f'OCI runtime create failed: runc create failed: exec: "pyhton": {reason}: unknown'
    lines = str(failure(batch(1, outcome(1, "Failed")), {"id1": f"StartError: {runtime}"}, 0)).splitlines()
    assert lines[-2:] == ["The image has no program 'pyhton': check the command.", ADVICE_FOR_ONE]


def test_sessions_that_are_gone_are_described_once() -> None:
    known = batch(30, *(outcome(replica, GONE) for replica in range(1, 31)))
    assert str(failure(known, {}, 0)).splitlines() == [
        "30 of 30 replicas failed.",
        "Replicas 1-30: Gone.",
        "The platform no longer has them: somebody deleted them, or they ended over an hour ago.",
        "How they ended is not known. A retry runs them again, and so does clearing the task.",
    ]


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
    outcomes = [stuck(number, f"::group::{number}" + "no " * 10**4) for number in range(1, 5001)]
    error = failure(batch(5000, *outcomes), {}, 0)
    assert len(str(error).encode()) < (DESCRIBED + 2) * (TAIL_LINE_BYTES + 100)
    assert str(error).endswith("Replicas 6-5000 failed too; see above.")
    assert "::group::" not in str(error)


def test_replicas_that_do_not_start_for_one_reason_are_described_once() -> None:
    outcomes = [*(stuck(replica, "not found") for replica in range(1, 27)), stuck(30, "denied")]
    lines = [
        "Replicas 1-26 did not start: not found",
        "Replica 30, session id30 (stars-k3v5x2qamd-0-30-1) did not start: denied",
    ]
    assert [*never_started(outcomes)] == lines
    assert str(failure(batch(30, *outcomes), {}, 0)).splitlines() == ["27 of 30 replicas failed.", *lines]


def assigned(*replicas: int) -> dict[int, AssignedSession]:
    return {one: AssignedSession(f"id{one}", str(IDENTITY.name(one, 1))) for one in replicas}


def test_a_task_that_ran_out_of_time_says_which_replicas_had_not_ended_and_which_had_failed() -> None:
    known = batch(7, outcome(1), outcome(2, "Failed")).assign(assigned(1, 2, 3, 4, 5))
    tails = {"id2": "ZeroDivisionError: division by zero", "id3": "fitting NGC 628", "id4": ""}
    error = timed_out(known, tails, RunOptions(execution_timeout=timedelta(seconds=40)))
    assert str(error).splitlines() == [
        "The execution_timeout of 0:00:40 has passed, and 5 of 7 replicas had not ended.",
        "Replicas 3-5: their sessions are destroyed.",
        "Replicas 6, 7: not launched yet.",
        "Replica 3, session id3 (stars-k3v5x2qamd-0-3-1):",
        "Its last lines:",
        "fitting NGC 628",
        "Replica 4, session id4 (stars-k3v5x2qamd-0-4-1):",
        "It had written no output.",
        "Failed before that: 1 of 7.",
        "Replica 2, session id2 (stars-k3v5x2qamd-0-2-1): Failed.",
        "Its last lines:",
        "ZeroDivisionError: division by zero",
        "Raise execution_timeout, or give each replica less to do. A retry runs again what had not ended.",
    ]


def test_a_callback_finds_the_first_session_that_had_not_ended_when_the_time_was_over() -> None:
    known = batch(4, outcome(1)).assign(assigned(3, 2, 1))
    tails = {"id2": "fitting NGC 628"}
    waiting = timed_out(known, tails, RunOptions())
    assert (waiting.replica, waiting.session_id, waiting.name) == (2, "id2", "stars-k3v5x2qamd-0-2-1")
    assert (waiting.status, waiting.log_tail) == ("Pending", "fitting NGC 628")
    assert timed_out(known.with_observations({}, (), ["id2"]), tails, RunOptions()).status == "Running"
    assert timed_out(known.with_start_times({"id2": "12:00"}), tails, RunOptions()).status == "Running"
    nothing_launched = timed_out(batch(2), {}, RunOptions())
    assert (nothing_launched.replica, nothing_launched.session_id) == (None, "")


def test_sessions_that_run_on_after_the_time_are_said_to() -> None:
    error = timed_out(batch(1).assign(assigned(1)), {}, RunOptions(destroy_on_kill=False))
    assert str(error).splitlines() == [
        "The execution_timeout has passed, and 1 of 1 replicas had not ended.",
        "Replica 1: its session is left running.",
        "Raise execution_timeout, or give each replica less to do. A retry adopts what had not ended.",
    ]


def test_of_thousands_of_sessions_that_had_not_ended_some_are_named() -> None:
    known = batch(5000).assign(assigned(*range(1, 5001)))
    assert unsettled_ids(known).endswith(f"id{NUMBERED} and 4,900 more")
    assert unsettled_ids(batch(1)) == "none"
    assert len(str(timed_out(known, {}, RunOptions()))) < 400
