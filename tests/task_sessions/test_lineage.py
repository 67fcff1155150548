"""What is told of a task's sessions has a limit, and no secret."""

from __future__ import annotations

import json

from airflow_provider_canfar.skaha.models import SessionSpec
from airflow_provider_canfar.skaha.naming import Identity
from airflow_provider_canfar.task_sessions.batch import AssignedSession, Batch, Outcome
from airflow_provider_canfar.task_sessions.lineage import MAX_SESSIONS, lineage_of

IDENTITY = Identity("stars", "k3v5x2qamd", 0)


def batch_of(replicas: int, *failed: int) -> Batch:
    """Return a batch of which every replica has a session, and some have failed."""
    batch = Batch(IDENTITY, 1, replicas)
    names = {replica: batch.name(replica) for replica in range(1, replicas + 1)}
    launched = {replica: AssignedSession(f"id{replica}", name) for replica, name in names.items()}
    outcomes = [Outcome(replica, f"id{replica}", names[replica], "Failed", False, 1) for replica in failed]
    return batch.assign(launched).record(outcomes)


def spec_of(replicas: int = 1, **fields: object) -> SessionSpec:
    return SessionSpec(name="stars", image="skaha/astroml:24.07", replicas=replicas, **fields)


def test_ten_thousand_replicas_are_told_in_counts_and_the_failed_ones_first() -> None:
    told = lineage_of(spec_of(10_000), batch_of(10_000, 9_999, 5_000))
    assert (told["replicas"], told["succeeded"], told["failed"]) == (10_000, 0, 2)
    assert [one["replica"] for one in told["sessions"][:3]] == [5_000, 9_999, 1]
    assert len(told["sessions"]) == MAX_SESSIONS
    assert len(json.dumps(told)) < 20_000


def test_a_session_that_has_not_ended_has_no_status() -> None:
    (session,) = lineage_of(spec_of(), batch_of(1))["sessions"]
    assert session == {"replica": 1, "id": "id1", "name": "stars-k3v5x2qamd-0-1-1", "status": None}


def test_a_failure_of_an_earlier_try_does_not_count() -> None:
    earlier = batch_of(1, 1)
    told = lineage_of(spec_of(), Batch(IDENTITY, 2, 1, outcomes=earlier.outcomes))
    assert (told["failed"], told["sessions"]) == (0, [])


def test_of_a_command_the_program_is_told_and_of_variables_the_names() -> None:
    told = lineage_of(
        spec_of(command=["curl", "https://jdoe:hunter2@x"], env={"KEY": "hunter2"}), batch_of(1)
    )
    assert (told["program"], told["arguments"], told["environment"]) == ("curl", 1, ["KEY"])
    assert "hunter2" not in json.dumps(told)


def test_an_interactive_session_has_no_program() -> None:
    told = lineage_of(spec_of(kind="notebook"), batch_of(1))
    assert (told["kind"], told["program"], told["environment"]) == ("notebook", None, [])


def test_of_cmd_and_args_the_cmd_is_told() -> None:
    told = lineage_of(spec_of(cmd="nproc", args="--all"), batch_of(1))
    assert (told["program"], told["arguments"]) == ("nproc", None)
