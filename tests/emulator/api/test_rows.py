"""A list's order, and the words in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.emulator.runtime.test_processes import IGNORES_TERM

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.emulator.conftest import Caller


def test_a_list_is_in_the_order_of_type_user_and_id(caller: Caller) -> None:
    kinds = ["notebook", "headless", "carta", "headless", "desktop", "notebook", "headless"]
    created = [(kind, caller.create(type=kind)) for kind in kinds]
    assert [(row["type"], row["id"]) for row in caller.http.get("/session").json()] == sorted(created)
    public = caller.http.get("/session", params={"view": "all"}).json()
    assert [row["type"] for row in public] == sorted(kinds)


@pytest.mark.parametrize(
    ("words", "completed", "failed"),
    [
        ("current", "Completed", "Failed"),
        ("documented", "Succeeded", "Error"),
        ("pod_phases", "Succeeded", "Failed"),
        ("job_conditions", "Completed", "Failed (BackoffLimitExceeded)"),
    ],
)
def test_a_status_is_in_the_words_of_a_server(
    make_caller: Callable[..., Caller], words: str, completed: str, failed: str
) -> None:
    caller = make_caller(status_words=words)
    good, bad, runs = caller.create(cmd="true"), caller.create(cmd="false"), caller.shell("sleep\t600")
    caller.until_status(good, completed)
    caller.until_status(bad, failed)
    caller.until_status(runs, "Running")
    shown = {row["id"]: row["status"] for row in caller.http.get("/session").json()}
    assert shown == {good: completed, bad: failed, runs: "Running"}
    found = caller.http.get("/session", params={"status": completed.lower()}).json()
    assert [row["id"] for row in found] == [good]
    assert {record["status"] for record in caller.emulator.all_sessions()} == {
        "Completed",
        "Failed",
        "Running",
    }


def test_versions_1_0_0_to_1_0_3_show_the_job_s_condition(make_caller: Callable[..., Caller]) -> None:
    caller = make_caller(status_words="job_conditions", deadline=0.2, grace=0.5)
    session = caller.shell(IGNORES_TERM)
    caller.until_status(session, "FailureTarget (DeadlineExceeded)")
    caller.until_status(session, "Failed (DeadlineExceeded)")


def test_the_words_can_change_while_sessions_run(caller: Caller) -> None:
    session = caller.create(cmd="true")
    caller.until_status(session, "Completed")
    caller.emulator.configure(status_words="documented")
    assert caller.session(session)["status"] == "Succeeded"
