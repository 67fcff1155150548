"""How far a task is, in its log."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.skaha.naming import Identity
from airflow_provider_canfar.task_sessions.batch import AssignedSession, Batch, Outcome
from airflow_provider_canfar.task_sessions.progress import LINE_EVERY, ProgressLog, progress_line
from airflow_provider_canfar.task_sessions.replica_states import ReplicaState, ReplicaStates, states_of

IDENTITY = Identity("stars", "k3v5x2qamd", 0)


def name(replica: int) -> str:
    return str(IDENTITY.name(replica, 1))


def test_a_line_counts_failures_among_those_that_are_done() -> None:
    states = ReplicaStates("s" * 36 + "f" * 4 + "r" * 18 + "p.")
    assert progress_line(states) == "40 of 60 done, 18 running, 2 waiting, 4 failed"


def test_a_line_is_due_after_each_tenth_and_each_minute() -> None:
    states, lines = ReplicaStates("r" * 20), []
    log = ProgressLog(states, since=0.0)
    for second in range(0, 200, 10):
        if second in (10, 20, 100):
            states.set(name(second // 10 + 1), ReplicaState.SUCCEEDED)
        if log.line(second) is not None:
            lines.append(second)
    # Two of twenty have ended at 20; then a minute passes, and another.
    assert lines == [20, 80, 140]
    assert log.wake_at() == 140 + LINE_EVERY


@given(st.integers(2, 10_000), st.lists(st.integers(1, 500), max_size=100))
def test_however_fast_replicas_end_there_are_at_most_ten_lines_in_a_minute(
    replicas: int, steps: list[int]
) -> None:
    states, ended, lines = ReplicaStates("r" * replicas), 0, 0
    log = ProgressLog(states, since=0.0)
    for step in steps:
        for replica in range(ended + 1, min(replicas, ended + step) + 1):
            states.set(name(replica), ReplicaState.SUCCEEDED)
        ended = min(replicas, ended + step)
        lines += log.line(1.0) is not None
    assert lines <= 10


def test_a_single_replica_needs_no_such_lines() -> None:
    log = ProgressLog(ReplicaStates("r"), since=0.0)
    assert log.line(1000.0) is None
    assert log.wake_at() is None


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("Pending", ReplicaState.PENDING),
        ("Running", ReplicaState.RUNNING),
        ("Terminating", ReplicaState.RUNNING),
        ("Succeeded", ReplicaState.SUCCEEDED),
        ("Failed (BackoffLimitExceeded)", ReplicaState.FAILED),
        ("Gone", ReplicaState.FAILED),
        ("Sublimated", ReplicaState.RUNNING),
        ("", ReplicaState.RUNNING),
    ],
)
def test_an_unknown_status_is_no_end(status: str, state: ReplicaState) -> None:
    assert ReplicaState.of(status) is state


def test_what_a_worker_knows_is_one_letter_for_each_replica() -> None:
    batch = (
        Batch(IDENTITY, 2, 7)
        .record(
            [Outcome(1, "a", name(1), "Completed", True, 1), Outcome(2, "b", name(2), "Failed", False, 1)]
        )
        .record([Outcome(3, "c", name(3), "Failed", False, 2)])
        .assign({replica: AssignedSession(f"id{replica}", name(replica)) for replica in range(4, 8)})
        .with_observations({"id5": "Completed"}, ["id6"], ["id4"])
    )
    # The failure of an earlier try does not count: this try has not launched its replica yet.
    assert states_of(batch) == "s.frsfp"


def test_a_session_that_stands_for_no_replica_changes_nothing() -> None:
    states = ReplicaStates("rr")
    for stranger in ("notebook", name(3), "stars-k3v5x2qamd-0-0-1"):
        states.set(stranger, ReplicaState.FAILED)
    assert str(states) == "rr"
