"""The XCom ``sessions``."""

from __future__ import annotations

import json

import pytest

from airflow_provider_canfar.skaha.naming import Identity
from airflow_provider_canfar.task_sessions.batch import AssignedSession, Batch, Outcome
from airflow_provider_canfar.task_sessions.session_xcoms import (
    MOST_ROWS,
    SHOWN,
    is_worth_pushing,
    session_xcoms,
    sessions_to_json,
)

IDENTITY = Identity("find-the-stars", "k3v5x2qamd", 0)


def launched(batch: Batch, *replicas: int) -> Batch:
    return batch.assign({one: AssignedSession(f"id{one:06d}", batch.name(one)) for one in replicas})


def ended(batch: Batch, *replicas: int, status: str = "Completed") -> Batch:
    return batch.record(
        Outcome(one, f"id{one:06d}", batch.name(one), status, status == "Completed", 1) for one in replicas
    )


def test_people_read_launches_in_the_replicas_order_and_how_each_has_ended() -> None:
    batch = ended(launched(Batch(IDENTITY, 1, 3), 2, 1), 1)
    assert sessions_to_json(batch) == [
        {
            "replica": 1,
            "session_id": "id000001",
            "name": "find-the-stars-k3v5x2qamd-0-1-1",
            "status": "Completed",
            "succeeded": True,
        },
        {
            "replica": 2,
            "session_id": "id000002",
            "name": "find-the-stars-k3v5x2qamd-0-2-1",
            "status": None,
            "succeeded": None,
        },
    ]


def test_a_thousand_replicas_are_all_there() -> None:
    batch = launched(Batch(IDENTITY, 1, MOST_ROWS), *range(1, MOST_ROWS + 1))
    assert session_xcoms(batch) == {"sessions": sessions_to_json(batch)}


def test_of_more_people_read_the_failed_ones_first_then_the_live_ones_and_where_the_others_are() -> None:
    batch = launched(Batch(IDENTITY, 1, MOST_ROWS + 1), *range(1, 901))
    batch = ended(ended(batch, *range(1, 801)), 700, 20, status="Failed")
    xcoms = session_xcoms(batch)
    shown = [row["replica"] for row in xcoms["sessions"]]
    assert shown == [20, 700, *range(801, 901), *(one for one in range(1, 100) if one != 20)][:SHOWN]
    assert xcoms["about_sessions"].startswith("The XCom sessions has 200 of 900 sessions: those that failed")


@pytest.mark.parametrize("replicas", [100, 1000, 10_000])
def test_each_session_is_pushed_some_five_times_however_many_wakes_there_are(replicas: int) -> None:
    batch, size = Batch(IDENTITY, 1, replicas), 0
    for last in range(5, replicas + 1, 5):
        before = 2 * (last - 5)
        if is_worth_pushing(before, 2 * last):
            batch = launched(batch, *range(1, last + 1))
            size += len(json.dumps(session_xcoms(batch)))
    assert size / replicas < 1500
