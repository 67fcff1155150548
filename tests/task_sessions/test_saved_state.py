"""What a task remembers over retries and clears."""

from __future__ import annotations

import pytest

from airflow_provider_canfar.skaha.naming import Identity
from airflow_provider_canfar.task_sessions.batch import Batch, Outcome
from tests.fake_task import FakeStore
from tests.task_sessions.journaled import journal, saved


def outcome(replica: int, *, succeeded: bool) -> Outcome:
    status = "Completed" if succeeded else "Failed"
    return Outcome(
        replica, f"session{replica}", f"stars-{replica}", status, succeeded, 1, result=f"[{replica}]"
    )


@pytest.fixture
def batch() -> Batch:
    """Three replicas, of which the second has failed."""
    outcomes = [outcome(1, succeeded=True), outcome(2, succeeded=False), outcome(3, succeeded=True)]
    return Batch(Identity("stars", "k3v5x2qamd", 0), 1, 3).record(outcomes)


def test_successes_come_back_as_they_were_and_failures_do_not(batch: Batch) -> None:
    memory = saved(batch)
    assert memory.key == "k3v5x2qamd"
    assert memory.successes == {1: outcome(1, succeeded=True), 3: outcome(3, succeeded=True)}


def test_nothing_is_remembered_where_airflow_has_no_store(batch: Batch) -> None:
    nothing = journal(None)
    nothing.begin(batch)
    nothing.record(batch)
    assert nothing.saved is None
    assert journal(None).saved is None
    assert journal(FakeStore()).saved is None


def next_try(replicas: int = 3, *, epoch: int = 0, try_number: int = 2) -> Batch:
    return Batch(Identity("stars", "k3v5x2qamd", epoch), try_number, replicas)


def test_a_retry_keeps_the_successes_of_its_epoch(batch: Batch) -> None:
    assert sorted(saved(batch).apply_to(next_try(), resume=False).outcomes) == [1, 3]


def test_a_clear_starts_afresh_unless_it_shall_resume(batch: Batch) -> None:
    memory = saved(batch)
    assert memory.apply_to(next_try(epoch=2), resume=False).outcomes == {}
    assert sorted(memory.apply_to(next_try(epoch=2), resume=True).outcomes) == [1, 3]


def test_with_another_number_of_replicas_nothing_counts_from_that_try_on(batch: Batch) -> None:
    """Each then has another share of the work; also of what the platform has still."""
    changed = saved(batch).apply_to(next_try(4), resume=True)
    assert (changed.outcomes, changed.first_try) == ({}, 2)
    memory = saved(changed.record([outcome(4, succeeded=True)]))
    again = memory.apply_to(next_try(4, try_number=3), resume=False)
    assert (sorted(again.outcomes), again.first_try) == ([4], 2)
    assert memory.apply_to(next_try(4, epoch=3, try_number=4), resume=False).first_try == 0


def test_a_task_that_had_succeeded_as_a_whole_is_cleared_to_run_as_a_whole(batch: Batch) -> None:
    memory = saved(batch.record([outcome(2, succeeded=True)]))
    assert memory.is_complete
    assert memory.apply_to(next_try(epoch=2), resume=True).outcomes == {}
