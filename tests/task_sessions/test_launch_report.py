"""What a task's log says of launches, and of retries."""

from __future__ import annotations

from airflow_provider_canfar.skaha.naming import Identity
from airflow_provider_canfar.task_sessions.batch import AssignedSession, Batch, Outcome
from airflow_provider_canfar.task_sessions.launch_report import destroyed, launched, retry_lines

IDENTITY = Identity("stars", "k3v5x2qamd", 0)


def failure(replica: int) -> Outcome:
    return Outcome(replica, f"id{replica}", str(IDENTITY.name(replica, 1)), "Failed", False, 2)


def success(replica: int) -> Outcome:
    return Outcome(replica, f"id{replica}", str(IDENTITY.name(replica, 1)), "Completed", True, 1)


def test_sixty_launches_are_one_line() -> None:
    names = {f"id{replica}": str(IDENTITY.name(replica, 1)) for replica in range(1, 61)}
    assert launched(names) == "Launched 60 sessions."
    assert launched(names, kept=2) == "Launched 60 sessions (kept 2 of an earlier try)."
    assert launched({"k3v9x2qa": "stars"}) == "Launched session k3v9x2qa (stars)."


def test_of_many_destroyed_sessions_the_first_are_listed() -> None:
    names = {f"id{replica}": "stars" for replica in range(1, 61)}
    listed = "id1, id2, id3, id4, id5, id6, id7, id8, id9, id10"
    assert destroyed(names) == f"Destroyed 60 sessions: {listed} and 50 more."


def test_a_retry_says_what_it_keeps_what_it_launches_and_why_that_had_failed() -> None:
    succeeded = [replica for replica in range(1, 61) if replica not in (4, 17, 18)]
    batch = Batch(IDENTITY, 2, 60).record(success(replica) for replica in succeeded)
    tails = {"id4": "reading m13.fits\nOSError: no such plate"}
    assert list(retry_lines(batch, [4, 17, 18], [failure(4), failure(17)], tails)) == [
        "Try 2 keeps 57 of 60 replicas and launches replicas 4, 17, 18.",
        "Replica 4 failed in try 1, session id4: Failed. Its last line: OSError: no such plate",
        "Replica 17 failed in try 1, session id17: Failed.",
        "No earlier session of replica 18 is listed; the logs of earlier tries tell if there was one.",
    ]


def test_a_retry_counts_as_kept_what_has_succeeded_and_nothing_else() -> None:
    alive = {2: AssignedSession("id2", str(IDENTITY.name(2, 1)))}
    batch = Batch(IDENTITY, 2, 12).record([success(1)]).assign(alive)
    assert next(retry_lines(batch, [3, 5], [], {})) == (
        "Try 2 keeps 1 of 12 replicas, adopts 1, launches replicas 3, 5, and the other 8 later."
    )
    assert next(retry_lines(Batch(IDENTITY, 3, 2), [1, 2], [], {})) == "Try 3 launches replicas 1, 2."


def test_of_many_failures_some_are_described() -> None:
    several = [failure(replica) for replica in range(1, 501)]
    lines = list(retry_lines(Batch(IDENTITY, 2, 500), range(1, 501), several, {}))
    assert len(lines) == 7
    assert lines[-1] == "Replicas 6-500 failed, too."
