"""How far a task is, in its log."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import asdict
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.skaha.naming import Identity
from airflow_provider_canfar.task_sessions.batch import AssignedSession, Batch, Outcome
from airflow_provider_canfar.task_sessions.batch_states import states_of
from airflow_provider_canfar.task_sessions.progress import (
    LINE_EVERY,
    XCOM_EVERY,
    Progress,
    ProgressLog,
    ProgressWrites,
    progress_line,
)
from airflow_provider_canfar.task_sessions.replica_states import ReplicaState, ReplicaStates, run_lengths

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


def test_the_xcom_says_counts_pace_and_expected_end() -> None:
    progress = Progress(since=1000.0, kept=100, try_number=2)
    states = "s" * 150 + "f" * 10 + "r" * 30 + "pp..." * 2
    assert progress.xcom(ReplicaStates(states), 1000.0 + 3600) == {
        "version": 1,
        "replicas": 200,
        "counts": {"waiting": 6, "pending": 4, "running": 30, "succeeded": 150, "failed": 10},
        "since": 1000.0,
        "updated": 4600.0,
        # Those that were kept say nothing about it: 60 ended in an hour, and 40 are left.
        "pace_per_hour": 60.0,
        "expected_end": 4600.0 + 2400,
        "map": "150s10f30r2p3.2p3.",
        "try_number": 2,
    }


@pytest.mark.parametrize(
    ("states", "kept"),
    [
        ("s" * 9 + "r" * 91, 0),  # Less than a tenth.
        ("s" * 59 + "r" * 91, 50),
        ("r" * 100, 0),
        ("s" * 100, 0),  # There is nothing to expect any more.
        ("", 0),
    ],
)
def test_there_is_no_expected_end_before_a_tenth_has_ended(states: str, kept: int) -> None:
    xcom = Progress(since=0.0, kept=kept).xcom(ReplicaStates(states), 60.0)
    assert xcom["expected_end"] is None
    assert (xcom["pace_per_hour"] is None) is (states.count("s") == kept)


def test_a_clock_that_went_back_gives_no_pace() -> None:
    assert Progress(since=100.0).xcom(ReplicaStates("ssr"), 90.0)["pace_per_hour"] is None


def test_the_pace_begins_with_the_first_launch_and_leaves_out_what_was_kept() -> None:
    batch = (
        Batch(IDENTITY, 2, 4)
        .record([Outcome(1, "id1", name(1), "Completed", True, 1)])
        .assign({2: AssignedSession("id2", name(2), 200.0), 3: AssignedSession("id3", name(3), 100.0)})
        .record([Outcome(2, "id2", name(2), "Completed", True, 2)])
    )
    assert Progress.of(batch, 300.0) == Progress("ssp.", since=100.0, kept=1, try_number=2)
    assert Progress.of(Batch(IDENTITY, 1, 1), 300.0).since == 300.0


class Writer:
    """Keeps what it is asked to write until a test lets it."""

    def __init__(self) -> None:
        self.due_at = math.inf
        self._latest: Callable[[float], dict[str, Any] | None] = lambda _: None

    def __call__(self, at: float, latest: Callable[[float], dict[str, Any] | None]) -> None:
        self.due_at, self._latest = at, latest

    def write(self, now: float) -> dict[str, Any] | None:
        self.due_at = math.inf
        return self._latest(now)


CHANGES = st.tuples(st.floats(0.1, 40.0), st.integers(1, 5), st.sampled_from(ReplicaState))


@given(st.lists(CHANGES, max_size=50))
def test_each_change_is_written_once_and_writes_are_apart(
    changes: list[tuple[float, int, ReplicaState]],
) -> None:
    states, at, written = ReplicaStates("....."), 0.0, [(0.0, "5.")]
    writes, writer = ProgressWrites(Progress("....."), states, since=0.0), Writer()
    writes.write = writer

    def write(now: float) -> None:
        value = writer.write(now)
        if value is not None:
            written.append((now, value["map"]))

    for pause, replica, state in changes:
        while writer.due_at <= at + pause:
            write(max(at, writer.due_at))
        at += pause
        states.set(name(replica), state)
        writes.request()
    if writer.due_at < math.inf:
        write(max(at, writer.due_at))
    for (before, old), (after, new) in pairwise(written):
        assert after - before >= XCOM_EVERY
        assert old != new
    assert written[-1][1] == run_lengths(str(states))


def test_a_write_that_was_late_has_the_last_state_and_the_next_one_waits_from_then() -> None:
    states, writer = ReplicaStates("rr"), Writer()
    writes = ProgressWrites(Progress("rr"), states, since=0.0)
    writes.write = writer
    states.set(name(1), ReplicaState.SUCCEEDED)
    writes.request()
    states.set(name(2), ReplicaState.FAILED)
    writes.request()
    value = writer.write(100.0)
    assert value is not None
    assert (value["map"], value["updated"]) == ("sf", 100.0)
    states.set(name(2), ReplicaState.RUNNING)
    writes.request()
    assert writer.due_at == 100.0 + XCOM_EVERY


def test_where_nothing_can_write_the_xcom_a_change_is_no_error() -> None:
    states = ReplicaStates("r")
    writes = ProgressWrites(Progress("r"), states, since=0.0)
    states.set(name(1), ReplicaState.SUCCEEDED)
    writes.request()


@given(st.text(".prsf", max_size=50).map(lambda letters: letters + letters[-1:] * 120))
def test_run_lengths_lose_nothing(letters: str) -> None:
    encoded = run_lengths(letters)
    assert re.sub(r"(\d+)(\D)", lambda run: int(run[1]) * run[2], encoded) == letters
    assert len(encoded) <= len(letters)


@given(st.text(".prsf", max_size=20), st.lists(st.tuples(st.integers(1, 20), st.sampled_from(ReplicaState))))
def test_the_counts_are_those_of_the_letters(letters: str, changes: list[tuple[int, ReplicaState]]) -> None:
    states = ReplicaStates(letters)
    for replica, state in changes:
        states.set(name(replica), state)
    assert states.counts() == {state: str(states).count(state) for state in ReplicaState}
    assert states.ended == str(states).count("s") + str(states).count("f")


def test_a_wait_reads_what_its_worker_wrote_and_what_was_written_before_the_states_were_packed() -> None:
    progress = Progress("ssfrp." * 100, since=12.5, kept=2, try_number=3)
    written = json.loads(json.dumps(progress.to_json()))
    assert Progress.from_json(written) == progress
    assert len(json.dumps(written)) < 200
    assert Progress.from_json(asdict(progress) | {"more": 1}) == progress
    assert Progress.from_json({}) == Progress()
