"""What the tab *Sessions* says of one replica, called in a browser; this needs no Airflow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_canfar.decorators._result_reader import WITHOUT_RESULT
from airflow_provider_canfar.operators import _errors
from airflow_provider_canfar.skaha.log_line import ErrorLine
from airflow_provider_canfar.skaha.naming import Identity
from airflow_provider_canfar.skaha.statuses import GONE, NEVER_STARTED
from airflow_provider_canfar.task_sessions import failure_report, launch_report, log_report, outcome_table
from airflow_provider_canfar.task_sessions.batch import AssignedSession, Batch, Outcome
from airflow_provider_canfar.task_sessions.run_options import RunOptions

if TYPE_CHECKING:
    from playwright.sync_api import Page

    Call = Callable[..., Any]

IDENTITY = Identity("find-stars", "k3v5x2qamd", 0)

Read = Callable[..., list[str]]


@pytest.fixture(name="notes")
def _notes(modules: Page) -> Read:
    """Return a function that reads the messages of a log, and returns what they say of one session."""
    program = """async ([messages, sessionId]) => {
        const { TaskLog } = await import("/task_log.js");
        const log = new TaskLog();
        for (const message of messages) log.addJson(JSON.stringify(message));
        return log.notes.of(sessionId);
    }"""

    def notes(session_id: str, *messages: str | BaseException) -> list[str]:
        read: list[dict[str, str]] = []
        for one in messages:
            if isinstance(one, BaseException):
                read += [{"level": "error", "event": line} for line in _errors.log_lines(str(one))]
            else:
                level = "error" if isinstance(one, ErrorLine) else "info"
                read.append({"level": level, "event": one})
        found: list[str] = modules.evaluate(program, [read, session_id])
        return found

    return notes


def batch_of_five() -> Batch:
    """Return a task with sessions that have not ended; the id of the second has no digit."""
    ids = ["tpm2futd", "wgsnjuet", "yxnizp7n", "je2me63c", "ut890gl4"]
    launched = {
        replica: AssignedSession(one, str(IDENTITY.name(replica, 1)), 0.0)
        for replica, one in enumerate(ids, 1)
    }
    return Batch(IDENTITY, 1, len(ids)).assign(launched)


@pytest.mark.parametrize("session_id", ["tpm2futd", "wgsnjuet", "ut890gl4"])
def test_a_line_that_names_several_sessions_is_no_replica_s_own(notes: Read, session_id: str) -> None:
    batch = batch_of_five()
    names = {one.session_id: one.name for one in batch.launched.values()}
    refused = launch_report.not_destroyed(names, RuntimeError("no route"))
    lines = [launch_report.destroyed(names), refused, failure_report.timed_out(batch, {}, RunOptions())]
    assert notes(session_id, *lines) == []


@pytest.mark.parametrize(
    "line",
    [
        launch_report.launched({"yxnizpin": "find-stars-1"}),
        launch_report.adopted({"yxnizpin": "find-stars-1"}),
        launch_report.destroyed({"yxnizpin": "find-stars-1"}),
        launch_report.not_destroyed(["yxnizpin"], RuntimeError("no route to ab12cd34")),
        launch_report.not_confirmed("yxnizpin", "find-stars-1"),
        "find-stars-ngc12345-1 yxnizpin is waiting: FailedScheduling: 0/3 nodes are available",
        "find-stars-1 yxnizpin does not start yet: Failed to pull image skaha/ab12cd34.",
        "find-stars-1 yxnizpin has started after all.",
        "find-stars-1 yxnizpin: Running",
        "Replica 1 failed in try 1, session yxnizpin: Failed. Its last line: ab12cd34",
        "Destroying the sessions of this task after OSError: yxnizpin.",
        "Not launching until yxnizpin is gone; checking again in 30 s.",
        "Renewed session yxnizpin.",
    ],
)
def test_a_line_about_one_session_is_its_replica_s_own(notes: Read, line: str) -> None:
    assert notes("yxnizpin", line) == [line]


def test_a_sentence_that_the_log_breaks_is_whole_and_shows_once(notes: Read) -> None:
    reason = (
        "Failed to pull image: the registry does not know it. Check the spelling of the image and its tag."
    )
    lost = Outcome(1, "yxnizp7n", str(IDENTITY.name(1, 1)), "NeverStarted", False, 1, reason=reason)
    won = Outcome(2, "je2me63c", str(IDENTITY.name(2, 1)), "Completed", True, 1)
    error = failure_report.failure(Batch(IDENTITY, 1, 2, outcomes={1: lost, 2: won}), {}, 0)
    assert len([*_errors.log_lines(str(error))]) > len(str(error).splitlines())
    (line,) = failure_report.never_started([lost])
    assert notes("yxnizp7n", error) == [line]
    assert notes("yxnizp7n", line, error) == [line]


def test_the_rest_of_a_broken_sentence_begins_no_note(notes: Read) -> None:
    error = RuntimeError(f"{'The platform is busy, ' * 4}so it has not destroyed session tpm2futd.")
    assert [*_errors.log_lines(str(error))][1] == "not destroyed session tpm2futd."
    assert notes("tpm2futd", error) == []


def one(state: str, status: str = "", session_id: str = "yxnizp7n") -> dict[str, Any]:
    return {"replica": 1, "state": state, "status": status, "sessionId": session_id}


@pytest.mark.parametrize(
    ("replica", "words"),
    [
        (
            one("failed", GONE),
            "(Gone): the platform no longer has its session, and how it ended is not known",
        ),
        (
            one("failed", NEVER_STARTED),
            "(NeverStarted): its session did not start, and the task destroyed it",
        ),
        (
            one("failed", f"Completed {WITHOUT_RESULT}"),
            "result): its session has completed, but the result of its function is missing",
        ),
        (one("failed", "Failed"), "Failed: its session has failed"),
        (one("failed", "Failed (OOMKilled)"), "Failed (OOMKilled): its session has failed"),
        (one("failed"), "Failed: its session has failed, did not start, or is no longer on the platform"),
        (one("succeeded", "Completed"), "Succeeded (Completed): its session has completed"),
        (one("unfinished"), "Not finished: the task ended first; its session was destroyed or left running"),
        (one("unfinished", session_id=""), "was destroyed, left running, or never launched"),
    ],
)
def test_the_words_for_a_state_say_no_more_than_is_known(call: Call, replica: Any, words: str) -> None:
    assert call("wording", "stateLine", replica).endswith(words)


LATER = "The task's log gets its lines when the task resumes"


@pytest.mark.parametrize(
    ("replica", "is_over", "words"),
    [
        (one("waiting", session_id=""), False, "It has no session yet."),
        (one("pending"), False, "Its session has not started yet."),
        (
            one("running"),
            False,
            "The task's log gets its lines once the session has ended; Open session shows them now.",
        ),
        # The next step of the worker records an end, and shows the log.
        (one("failed"), False, f"{LATER}; Open session shows them now."),
        (one("succeeded"), False, f"{LATER}; Open session shows them now."),
        (one("failed", "Failed"), False, "The task's log has none of its lines."),
        (one("failed"), True, "The task's log has none of its lines."),
        (one("failed", NEVER_STARTED), False, "It has none, as its session did not start."),
        (one("launched"), True, "The task did not wait for its end. Open session leads to it."),
    ],
)
def test_where_a_log_is_missing_the_panel_says_where_it_is(
    call: Call, replica: Any, is_over: bool, words: str
) -> None:
    assert call("wording", "whyNoLog", replica, {"isOver": is_over, "hasLink": True}) == words


def test_no_hint_leads_to_a_link_that_is_missing(call: Call) -> None:
    for replica in (one("failed"), one("running"), one("launched")):
        for is_over in (True, False):
            words = call("wording", "whyNoLog", replica, {"isOver": is_over, "hasLink": False})
            assert "Open session" not in words


@pytest.fixture(name="state_line")
def _state_line(modules: Page) -> Callable[..., str]:
    """Return a function that says what a log adds to what is known of a replica."""
    program = """async ([texts, one]) => {
        const { TaskLog } = await import("/task_log.js");
        const { stateLine } = await import("/wording.js");
        const log = new TaskLog();
        for (const event of texts) log.addJson(JSON.stringify({ event }));
        return stateLine(one, log.statusOf(one));
    }"""

    def state_line(replica: dict[str, Any], *texts: str) -> str:
        found: str = modules.evaluate(program, [texts, replica])
        return found

    return state_line


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ("destroyed", "the task ended first, and its session was destroyed"),
        ("left running", "the task ended first, and left its session running"),
    ],
)
def test_the_table_of_a_task_that_timed_out_says_what_became_of_a_session(
    state_line: Callable[..., str], others: str, words: str
) -> None:
    table = outcome_table.table(batch_of_five(), others=others)
    assert state_line(one("unfinished") | {"replica": 3}, table) == f"Not finished: {words}"
    many = outcome_table.table(replace(batch_of_five(), replicas=99), others=others)
    assert state_line(one("unfinished", session_id="") | {"replica": 99}, many) == (
        "Not finished: the task ended before it launched a session"
    )


@pytest.mark.parametrize(
    "line",
    [
        launch_report.destroyed({"yxnizp7n": "find-stars-1"}),
        launch_report.destroyed({"wgsnjuet": "find-stars-2", "yxnizp7n": "find-stars-1"}),
        launch_report.destroyed({"yxnizp7n": "find-stars-1"} | {f"aaaa00{n}": "x" for n in range(10, 30)}),
        # A person has ended the task while it was deferred.
        "Destroyed 5 of 5 sessions: the task's state is failed.",
    ],
)
def test_without_a_table_the_log_says_which_sessions_were_destroyed(
    state_line: Callable[..., str], line: str
) -> None:
    assert state_line(one("unfinished"), line).endswith("its session was destroyed")


@pytest.mark.parametrize(
    "line",
    [
        launch_report.not_confirmed("yxnizp7n", "find-stars-1"),
        launch_report.not_destroyed(["yxnizp7n"], RuntimeError("no route")),
        "Could not destroy the sessions of this task: no route",
        "Destroyed 4 of 5 sessions: the task's state is failed.",
    ],
)
def test_a_session_that_may_be_alive_is_not_called_destroyed(
    state_line: Callable[..., str], line: str
) -> None:
    table = outcome_table.table(batch_of_five())
    words = state_line(one("unfinished") | {"replica": 3}, line, table)
    assert words.endswith("its session was destroyed or left running")


def test_the_table_names_the_status_that_a_large_task_s_xcom_leaves_out(
    state_line: Callable[..., str],
) -> None:
    gone = Outcome(1, "yxnizp7n", str(IDENTITY.name(1, 1)), GONE, False, 1)
    table = outcome_table.table(Batch(IDENTITY, 1, 1, outcomes={1: gone}))
    assert state_line(one("failed"), table).startswith("Failed (Gone): the platform no longer has")


def test_a_replica_that_was_not_run_had_no_session_to_destroy(state_line: Callable[..., str]) -> None:
    line = "Destroyed 5 of 5 sessions: the task's state is failed."
    words = state_line(one("unfinished", session_id=""), line, outcome_table.table(Batch(IDENTITY, 1, 2)))
    assert words.endswith("the task ended before it launched a session")


def test_a_table_of_another_operator_s_sessions_says_nothing_of_a_replica(
    state_line: Callable[..., str],
) -> None:
    """A @task may execute several operators, and they share its log."""
    gone = Outcome(1, "aaaa1111", str(IDENTITY.name(1, 1)), GONE, False, 1)
    for table in (
        outcome_table.table(Batch(IDENTITY, 1, 1, outcomes={1: gone})),
        outcome_table.table(Batch(IDENTITY, 1, 1)),
        outcome_table.table(batch_of_five()),
    ):
        assert "Gone" not in state_line(one("failed"), table)
        assert state_line(one("unfinished"), table).endswith("was destroyed or left running")


def test_the_log_of_a_session_is_found_by_its_replica(modules: Page) -> None:
    """The XCom `sessions` of a large task is older than its log, or has not all of them."""
    lost = Outcome(7, "yxnizp7n", str(IDENTITY.name(7, 1)), "Failed", False, 1)
    program = """async (lines) => {
        const { TaskLog } = await import("/task_log.js");
        const log = new TaskLog();
        for (const event of lines) log.addJson(JSON.stringify({ event }));
        return log.tailOf({ replica: 7, sessionId: "", name: "" });
    }"""
    assert modules.evaluate(program, [*log_report.log_lines(lost, "no such plate")]) == ["no such plate"]


def test_the_panel_of_a_replica_that_timed_out_says_that_its_session_was_destroyed(modules: Page) -> None:
    batch = batch_of_five()
    names = {one.session_id: one.name for one in batch.launched.values()}
    program = """async ([texts, one]) => {
        const { TaskLog } = await import("/task_log.js");
        const { Details } = await import("/details.js");
        const log = new TaskLog();
        for (const event of texts) log.addJson(JSON.stringify({ event }));
        const details = new Details(document.createElement("div"), { read: async () => log }, () => {});
        await details.show({ one, tryNumber: 1, isOver: true, serviceUrl: "" });
        return [...details.box.querySelectorAll("dd, p, h3")].map((part) => part.textContent);
    }"""
    replica = one("unfinished") | {"name": "", "started": "", "reason": "", "used": "", "launchedIn": None}
    texts = [launch_report.destroyed(names), outcome_table.table(batch)]
    assert modules.evaluate(program, [texts, replica]) == [
        "Not finished: the task ended first, and its session was destroyed",
        "yxnizp7n",
        "Its log",
        "The task's log has none of its lines.",
    ]
