"""The pure functions of the tab *Sessions*, called in a browser; this needs no Airflow."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_canfar.skaha.naming import Identity
from airflow_provider_canfar.task_sessions import failure_report, log_report, outcome_table
from airflow_provider_canfar.task_sessions.batch import Batch, Outcome
from airflow_provider_canfar.task_sessions.log_follower import LogFollower
from airflow_provider_canfar.task_sessions.progress import progress_line
from airflow_provider_canfar.task_sessions.replica_states import ReplicaStates

if TYPE_CHECKING:
    from playwright.sync_api import Page

    Call = Callable[..., Any]

IDENTITY = Identity("find-stars", "k3v5x2qamd", 0)


def row(replica: int, succeeded: bool | None = None, try_number: int = 1) -> dict[str, Any]:
    name = str(IDENTITY.name(replica, try_number))
    return {"replica": replica, "session_id": f"aaaa000{replica}", "name": name, "succeeded": succeeded}


def progress(states: str) -> dict[str, Any]:
    return {"version": 1, "map": states}


@pytest.mark.parametrize(
    ("query", "run_id", "map_index"),
    [
        ("?run_id=manual__18:22:10+00:00&map_index={MAP_INDEX}", "manual__18:22:10+00:00", -1),
        ("?run_id=manual__18%3A22%3A10%2B00%3A00&map_index=7", "manual__18:22:10+00:00", 7),
        ("?run_id=100%25&map_index=-1", "100%", -1),
        ("?run_id=100%&map_index=", "100%", -1),
    ],
)
def test_the_address_is_read_as_each_release_of_airflow_writes_it(
    call: Call, query: str, run_id: str, map_index: int
) -> None:
    address = call("address", "parseAddress", query)
    assert (address["runId"], address["mapIndex"]) == (run_id, map_index)


def test_the_address_of_a_tab_quotes_ids_as_airflow_s_own_links_do(call: Call) -> None:
    address = {"dagId": "étoiles", "runId": "a b?#/:+~", "taskId": "stars", "mapIndex": 7}
    path = "dags/%C3%A9toiles/runs/a%20b%3F%23%2F:+~/tasks/stars/mapped/7/plugin/canfar-sessions"
    assert call("address", "tabPath", address) == path


@pytest.mark.parametrize(
    ("service", "url", "expected"),
    [
        ("https://x.org/skaha/v1", "", "https://x.org/skaha/v1/session/aaaa0002?view=logs"),
        ("https://x.org/skaha/v1", "https://x.org/nb/", "https://x.org/nb/"),
        ("", "", ""),
        ("javascript:alert(1)//", "", ""),
        ("", "data:text/html,hello", ""),
    ],
)
def test_open_session_leads_to_the_replica_s_own_session_and_only_to_web_pages(
    call: Call, service: str, url: str, expected: str
) -> None:
    assert call("address", "sessionUrl", service, {"sessionId": "aaaa0002", "url": url}) == expected


@pytest.mark.parametrize(
    ("states", "sessions", "task_state", "expected"),
    [
        (".prsf", [], "deferred", ["waiting", "pending", "running", "succeeded", "failed"]),
        # An outcome is newer than the progress; a session without one is as the progress says.
        (
            "rrr",
            [row(1, succeeded=True), row(2, succeeded=False), row(3)],
            "deferred",
            ["succeeded", "failed", "running"],
        ),
        # Without progress, from the sessions alone.
        ("", [row(2), row(3, succeeded=True)], "deferred", ["waiting", "launched", "succeeded"]),
        # Only an outcome is an end, whatever the task's state.
        ("prs.", [row(1)], "success", ["unfinished", "unfinished", "succeeded", "unfinished"]),
        ("r", [], "up_for_retry", ["running"]),
        ("2sf3r", [], "deferred", ["succeeded", "succeeded", "failed", "running", "running", "running"]),
        # A letter of a newer release is not a success.
        ("x", [], "deferred", ["waiting"]),
    ],
)
def test_a_replica_s_state_comes_from_its_outcome_or_else_from_the_progress(
    call: Call, states: str, sessions: list[Any], task_state: str, expected: list[str]
) -> None:
    given = {"progress": progress(states), "sessions": sessions, "taskState": task_state}
    assert [one["state"] for one in call("replicas", "replicasOf", given)] == expected


def test_a_replica_without_a_session_is_not_launched_as_the_log_counts_pending_ones_as_waiting_too(
    call: Call,
) -> None:
    given = {"progress": progress("2.3p"), "sessions": [], "taskState": "deferred"}
    replicas = call("replicas", "replicasOf", given)
    counts = call("replicas", "countStates", replicas)
    assert call("wording", "headline", counts, 5) == "5 replicas: 2 not launched, 3 pending"
    assert call("wording", "cellLabel", replicas[0]) == "Replica 1, not launched"
    assert "5 waiting" in progress_line(ReplicaStates("..ppp"))


def test_a_task_that_does_not_wait_for_the_end_has_launched_its_sessions(call: Call) -> None:
    given = {"progress": progress("prs."), "sessions": [row(1)], "hasReturned": True, "taskState": "success"}
    states = [one["state"] for one in call("replicas", "replicasOf", given)]
    assert states == ["launched", "launched", "succeeded", "unfinished"]


@pytest.mark.parametrize(
    "value", [None, 7, "text", {}, [None], [1], [{"replica": "1"}], [{"replica": 0, "session_id": "a"}]]
)
def test_a_sessions_xcom_of_another_form_has_no_rows(call: Call, value: Any) -> None:
    assert call("replicas", "readSessions", value) == []


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        [],
        {},
        {"version": 2, "map": "s"},
        *({"version": 1, "map": one} for one in (3, "3", "100000s")),
    ],
)
def test_progress_of_another_form_is_none(call: Call, value: Any) -> None:
    assert call("replicas", "readProgress", value) is None


def test_what_a_task_returned_completes_the_sessions_it_is_of(call: Call) -> None:
    returned = [row(1, succeeded=True) | {"started": "2026-03-04T18:22:10+00:00"}]
    assert call("replicas", "withReturned", [row(1), row(2)], returned) == [*returned, row(2)]
    stranger = [{"replica": 1, "session_id": "other", "succeeded": True}]
    assert call("replicas", "withReturned", [row(1)], stranger) == [row(1)]
    assert call("replicas", "withReturned", [], returned) == returned


@pytest.mark.parametrize(
    ("usage", "words"),
    [
        (
            {"cores": 0.982, "cores_asked": 2, "ram": 1.2759, "ram_asked": 16},
            "0.982 of 2 cores, 1.28 of 16 GB",
        ),
        ({"cores": None, "cores_asked": None, "ram": 1.5, "ram_asked": None}, "1.5 GB"),
        ({"cores": "<b>"}, ""),
        (None, ""),
    ],
)
def test_what_a_session_used_is_shown_beside_what_it_asked_for(call: Call, usage: Any, words: str) -> None:
    sessions = [row(1, succeeded=True) | {"usage": usage}]
    (one,) = call("replicas", "replicasOf", {"progress": None, "sessions": sessions, "taskState": "success"})
    assert one["used"] == words


def test_kept_and_repeated_replicas_are_told_apart_by_their_names(call: Call) -> None:
    given = {"progress": None, "sessions": [row(1), row(2, try_number=2)], "taskState": "deferred"}
    replicas = call("replicas", "replicasOf", given)
    assert call("replicas", "compareTry", replicas, 2) == {"isKept": [True, False], "kept": 1, "ran": 1}
    assert call("tries", "summary", replicas, 2) == "1 ran again, 1 kept: 2 launched"


def test_the_page_reads_the_logs_that_tasks_write(modules: Page) -> None:
    """The lines come from the code that writes them."""
    won = Outcome(
        1, "aaaa1111", str(IDENTITY.name(1, 1)), "Completed", True, 2, started="2026-03-04T18:22:10+00:00"
    )
    lost = Outcome(2, "bbbb2222", str(IDENTITY.name(2, 2)), "Failed (137)", False, 2)
    batch = Batch(IDENTITY, 2, 3, outcomes={1: won, 2: lost})
    log = "\n".join(f"line {number}" for number in range(100)) + "\n::endgroup::\n<b>last</b>\n"
    lines = [
        f"Launched replica 2: session bbbb2222 ({lost.name}).",
        "find-stars bbbb2222 is waiting: 0/3 nodes are available",
        *LogFollower(60).new_lines("bbbb2222", "while it runs\n", 0, prefix=f"{lost.name}: "),
        *log_report.log_lines(lost, log),
        outcome_table.table(batch),
    ]
    program = """async (lines) => {
        const { TaskLog } = await import("/task_log.js");
        const log = new TaskLog();
        for (const line of lines) log.addJson(line);
        const [tail, notes] = [log.tails.get("bbbb2222"), log.notes.of("bbbb2222")];
        return { replicas: log.replicas(), tail, notes, followed: [...log.followed.values()] };
    }"""
    messages = [json.dumps({"event": line, "timestamp": "2026-03-04T18:22:10Z"}) for line in lines]
    read = modules.evaluate(program, [*messages, "no JSON"])
    assert read["tail"][-1] == "<b>last</b>"
    assert len(read["tail"]) == 40
    assert read["followed"] == [["while it runs"]]
    assert read["notes"][1] == "18:22:10  find-stars bbbb2222 is waiting: 0/3 nodes are available"
    assert [(one["state"], one["sessionId"], one["launchedIn"]) for one in read["replicas"]] == [
        ("succeeded", "aaaa1111", 1),
        ("failed", "bbbb2222", 2),
        ("unfinished", "", None),
    ]


def test_why_many_replicas_did_not_start_is_told_of_each(modules: Page) -> None:
    def stuck(replica: int, reason: str) -> Outcome:
        name = str(IDENTITY.name(replica, 1))
        return Outcome(replica, f"aaaa{replica:04}", name, "NeverStarted", False, 1, reason=reason)

    lines = [
        *failure_report.never_started(
            [*(stuck(replica, "not found") for replica in (1, 2, 3, 7)), stuck(9, "denied")]
        ),
        "Replicas 1-3, 7 did not start: not found, as the error repeats",
    ]
    program = """async (lines) => {
        const { TaskLog } = await import("/task_log.js");
        const log = new TaskLog();
        for (const line of lines) log.add(line, "2026-03-04T18:22:10Z");
        return [2, 7, 8, 9].map((replica) => log.notesOf({ replica, sessionId: `aaaa000${replica}` }));
    }"""
    why = "18:22:10  Replicas 1-3, 7 did not start: not found"
    denied = "18:22:10  Replica 9, session aaaa0009 (find-stars-k3v5x2qamd-0-9-1) did not start: denied"
    assert modules.evaluate(program, lines) == [[why], [why], [], [denied]]


def test_of_a_long_table_the_lines_below_it_give_the_rest(modules: Page) -> None:
    def outcome(replica: int, status: str, try_number: int) -> Outcome:
        name = str(IDENTITY.name(replica, try_number))
        return Outcome(replica, f"aaaa{replica:04}", name, status, status == "Completed", 2)

    kept = [outcome(replica, "Completed", 1) for replica in range(1, 58)]
    new = [outcome(replica, "Failed", 2) for replica in range(58, 60)]
    table = outcome_table.table(Batch(IDENTITY, 2, 60).record([*kept, *new]))
    program = """async (text) => {
        const { TaskLog } = await import("/task_log.js");
        const log = new TaskLog();
        log.addJson(JSON.stringify({ event: text }));
        return log.replicas(2);
    }"""
    read = modules.evaluate(program, table)
    assert [one["state"] for one in read] == ["succeeded"] * 57 + ["failed"] * 2 + ["unfinished"]
    assert [one["launchedIn"] for one in read] == [1] * 57 + [2] * 2 + [None]


@pytest.mark.parametrize(
    ("status", "state"), [("Completed", "succeeded"), ("Sublimated", "failed"), ("gone", "failed")]
)
def test_an_unknown_status_is_never_a_success(call: Call, status: str, state: str) -> None:
    assert call("task_log", "stateOf", status) == state


@pytest.mark.parametrize("count", [1, 8, 500, 1_000, 10_000, 50_000])
@pytest.mark.parametrize("width", [5, 320, 913])
def test_each_cell_is_found_where_it_is_drawn(call: Call, count: int, width: int) -> None:
    cells = call("paint", "cellSize", count)
    place = call("paint", "layout", count, width, cells)
    for index in {0, count // 2, count - 1}:
        x = index % place["columns"] * place["step"] + cells["size"] / 2
        y = index // place["columns"] * place["step"] + cells["size"] / 2
        assert call("paint", "cellAt", x, y, place, count) == index
    assert call("paint", "cellAt", 1, place["height"] + place["step"], place, count) == -1


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("ArrowRight", 6),
        ("ArrowLeft", 4),
        ("ArrowDown", 9),
        ("ArrowUp", 1),
        ("Home", 0),
        ("End", 9),
        ("PageDown", 9),
        ("x", None),
    ],
)
def test_keys_move_through_the_grid(call: Call, key: str, expected: int | None) -> None:
    assert call("keys", "nextIndex", key, 5, 4, 10) == expected


def test_polling_slows_down_while_nothing_changes(call: Call) -> None:
    delays = [3_000]
    for _ in range(10):
        delays.append(call("polling", "nextDelay", delays[-1], "same"))
    assert delays == sorted(delays)
    assert delays[-1] == 30_000
    assert call("polling", "nextDelay", 30_000, "changed") == 3_000
    assert call("polling", "nextDelay", 3_000, "ended") > 30_000


@pytest.mark.parametrize(
    ("operator", "state", "words"),
    [
        ("BashOperator", "success", "BashOperator) has no sessions"),
        ("CanfarHeadlessOperator", None, "has not started"),
        ("CanfarHeadlessOperator", "running", "about to launch"),
        ("CanfarHeadlessOperator", "failed", "Logs says what happened"),
        ("CanfarHeadlessOperator", "upstream_failed", "upstream failed"),
    ],
)
def test_where_there_is_nothing_to_show_the_page_says_what_to_do(
    call: Call, operator: str, state: str | None, words: str
) -> None:
    assert words in call("wording", "nothingToShow", {"operator_name": operator, "state": state})


@pytest.mark.parametrize(
    ("task", "words"),
    [
        # A task that is killed writes no progress at its end.
        ({"state": "failed", "end_date": "2026-11-26T21:06:34Z"}, "(5 min)"),
        ({"state": "failed", "end_date": None}, "(19 s)"),
        ({"state": "deferred", "end_date": None}, "(8 min) · No expected end yet"),
    ],
)
def test_the_time_of_a_task_ends_with_it(call: Call, task: Any, words: str) -> None:
    launched = datetime(2026, 11, 26, 21, 1, 30, tzinfo=UTC)
    seen = {"since": launched.timestamp(), "updated": launched.timestamp() + 19}
    assert words in call("wording", "paceLine", seen, task, launched + timedelta(minutes=8))


@pytest.mark.parametrize(
    ("pace", "words"),
    [(4049.4, "4,050 per hour"), (12.34, "12.3 per hour"), (0.5, "0.5 per hour")],
)
def test_a_pace_is_no_more_exact_than_it_is_known(call: Call, pace: float, words: str) -> None:
    seen = {"since": 0, "updated": 60, "pace_per_hour": pace}
    line = call("wording", "paceLine", seen, {"state": "success"}, datetime.now(UTC))
    assert line.endswith(f" · {words}")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-3, "0 s"), (59, "59 s"), (720, "12 min"), (12_000, "3 h 20 min"), (187_200, "2 d 4 h")],
)
def test_durations_are_readable(call: Call, seconds: int, words: str) -> None:
    assert call("wording", "duration", seconds) == words


@pytest.mark.parametrize(
    ("status", "words"), [(401, "Log in"), (403, "permission"), (404, "mapped"), (500, "500")]
)
def test_a_refusal_says_what_to_do(call: Call, status: int, words: str) -> None:
    assert words in call("wording", "apiProblem", status)
