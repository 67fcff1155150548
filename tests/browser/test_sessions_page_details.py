"""What the tab *Sessions* says of one replica, called in a browser; this needs no Airflow."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_canfar.operators import _errors
from airflow_provider_canfar.skaha.log_line import ErrorLine
from airflow_provider_canfar.skaha.naming import Identity
from airflow_provider_canfar.task_sessions import launch_report, report
from airflow_provider_canfar.task_sessions.batch import AssignedSession, Batch, Outcome

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
    lines = [launch_report.destroyed(names), refused, report.timed_out(batch, destroys=True)]
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
    error = report.failure(Batch(IDENTITY, 1, 2, outcomes={1: lost, 2: won}), {}, 0)
    assert len([*_errors.log_lines(str(error))]) > len(str(error).splitlines())
    line = report.never_started(lost)
    assert notes("yxnizp7n", error) == [line]
    assert notes("yxnizp7n", line, error) == [line]


def test_the_rest_of_a_broken_sentence_begins_no_note(notes: Read) -> None:
    error = RuntimeError(f"{'The platform is busy, ' * 4}so it has not destroyed session tpm2futd.")
    assert [*_errors.log_lines(str(error))][1] == "not destroyed session tpm2futd."
    assert notes("tpm2futd", error) == []
