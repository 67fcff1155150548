"""The table with which a task ends."""

from __future__ import annotations

from dataclasses import replace

from airflow_provider_canfar.skaha.naming import Identity
from airflow_provider_canfar.skaha.statuses import GONE
from airflow_provider_canfar.task_sessions.batch import AssignedSession, Batch, Outcome
from airflow_provider_canfar.task_sessions.outcome_table import ROWS, table
from airflow_provider_canfar.task_sessions.session_xcoms import MOST_ROWS, SHOWN

IDENTITY = Identity("stars", "k3v5x2qamd", 0)


def outcome(replica: int, status: str = "Completed", *, try_number: int = 1) -> Outcome:
    name = str(IDENTITY.name(replica, try_number))
    return Outcome(replica, f"id{replica}", name, status, status == "Completed", try_number)


def batch(replicas: int, *outcomes: Outcome, try_number: int = 1) -> Batch:
    return Batch(IDENTITY, try_number, replicas).record(outcomes)


def lines_of(batch: Batch, others: str = "destroyed") -> list[str]:
    """Return the table's lines below its title."""
    title, *lines = table(batch, others).splitlines()
    assert title == "How each replica ended:"
    return lines


def test_the_table_has_a_row_for_each_replica() -> None:
    first = replace(outcome(1), started="2026-03-04T18:22:10+00:00")
    known = batch(4, first, outcome(2, "Failed"), outcome(3, GONE), try_number=1)
    assert lines_of(known) == [
        "replica  session  status     try  started              name",
        "      1  id1      Completed    1  2026-03-04 18:22:10  stars-k3v5x2qamd-0-1-1",
        "      2  id2      Failed       1  -                    stars-k3v5x2qamd-0-2-1",
        "      3  id3      Gone         1  -                    stars-k3v5x2qamd-0-3-1",
        "      4  -        not run      -  -                    -",
    ]


def test_the_table_names_sessions_that_were_not_let_go_on() -> None:
    known = batch(2, outcome(1, "Failed")).assign({2: AssignedSession("id2", str(IDENTITY.name(2, 1)))})
    assert lines_of(known)[2] == "      2  id2      destroyed    1  -        stars-k3v5x2qamd-0-2-1"
    assert "left alone" in lines_of(known, others="left alone")[2]


def test_the_table_has_the_start_of_a_session_that_was_destroyed() -> None:
    session = AssignedSession("id2", str(IDENTITY.name(2, 1)), started="2026-03-04T18:22:10+00:00")
    known = batch(2, outcome(1, "Failed")).assign({2: session})
    assert lines_of(known)[2].split()[2:6] == ["destroyed", "1", "2026-03-04", "18:22:10"]


def test_the_table_tells_successes_of_earlier_tries_and_no_failures_of_theirs() -> None:
    known = batch(2, outcome(1), outcome(2, "Failed"), try_number=2)
    assert [row.split()[2] for row in lines_of(known)[1:]] == ["Completed", "not"]


def test_of_many_replicas_it_has_those_that_failed_and_the_lines_below_have_the_rest() -> None:
    failed = {50, 200, 500}
    known = batch(500, *(outcome(one, "Failed" if one in failed else "Completed") for one in range(1, 501)))
    rows = lines_of(known)
    assert [row.split()[0] for row in rows[1:5]] == ["50", "200", "500", "1"]
    assert len(rows) == 1 + ROWS + 3
    assert rows[-3:] == [
        "450 more rows are left out: the task's XCom `sessions` and its tab Sessions have all.",
        "497 succeeded: 1-49, 51-199, 201-499",
        "3 failed: 50, 200, 500",
    ]


def test_those_that_have_not_ended_come_before_those_that_have_succeeded() -> None:
    known = batch(60, *(outcome(replica) for replica in range(1, 60)))
    assert lines_of(known)[1].split() == ["60", "-", "not", "run", "-", "-", "-"]


def test_the_lines_below_a_retry_s_table_say_which_replicas_were_kept() -> None:
    kept = [outcome(replica) for replica in range(1, 60)]
    known = batch(60, *kept, outcome(60, "Failed", try_number=2), try_number=2)
    assert lines_of(known)[-3:] == [
        "59 succeeded: 1-59",
        "59 kept of an earlier try: 1-59",
        "1 failed: 60",
    ]


def test_what_was_used_has_columns_where_any_of_it_is_known() -> None:
    usage = {"cores": 0.5, "cores_asked": 2, "ram": 1.28, "ram_asked": 16}
    known = batch(2, replace(outcome(1), usage=usage), outcome(2))
    assert lines_of(known) == [
        "replica  session  status     try  started  cores used  GB used  name",
        "      1  id1      Completed    1  -        0.5/2       1.28/16  stars-k3v5x2qamd-0-1-1",
        "      2  id2      Completed    1  -        -           -        stars-k3v5x2qamd-0-2-1",
    ]


def test_of_a_retry_s_many_replicas_those_that_it_ran_come_before_those_that_it_kept() -> None:
    kept = [outcome(replica) for replica in range(1, 59)]
    ran = [outcome(59, try_number=2), outcome(60, "Failed", try_number=2)]
    rows = lines_of(batch(60, *kept, *ran, try_number=2))
    assert [row.split()[0] for row in rows[1:5]] == ["60", "59", "1", "2"]


def test_of_thousands_it_does_not_say_that_the_xcom_has_all() -> None:
    many = batch(MOST_ROWS + 1, *(outcome(replica) for replica in range(1, MOST_ROWS + 2)))
    assert lines_of(many)[-2] == (
        "951 more rows are left out: the task's tab Sessions shows every replica, what it returns has every "
        "session, and its XCom `sessions` has 200."
    )
    few = batch(MOST_ROWS + 1, *(outcome(replica) for replica in range(1, SHOWN + 1)))
    assert "XCom `sessions` and its tab Sessions have all." in table(few)
