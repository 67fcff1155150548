"""Results out of logs that the platform gives late, in part, or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_canfar.decorators import canfar_task
from airflow_provider_canfar.decorators._function_runner import MARK, result_lines
from airflow_provider_canfar.skaha.errors import (
    AuthenticationError,
    NotFound,
    RequestError,
    ServerError,
    Unreachable,
)
from airflow_provider_canfar.skaha.models import SessionSpec
from airflow_provider_canfar.skaha.naming import Identity
from airflow_provider_canfar.task_sessions.batch import Batch, Outcome
from airflow_provider_canfar.task_sessions.log_follower import RESULT, LogFollower
from airflow_provider_canfar.task_sessions.plan import Limits, Verdict
from airflow_provider_canfar.task_sessions.reconcile import LOGS_AT_ONCE, EndedSession, Reconciler
from tests.fake_platform import FakePlatform
from tests.on_emulator import IMAGE

IDENTITY = Identity("stars", "k3v5x2qamd", 0)


def operator(replicas: int) -> Any:
    def number() -> int:
        return 42

    output: Any = canfar_task(image=IMAGE, replicas=replicas)(number)()
    return output.operator


def attempt(platform: FakePlatform, batch: Batch, told: list[str] | None = None) -> Reconciler:
    """Make an attempt of a task that runs a function."""
    reads = operator(batch.replicas)

    def harvest(harvest: EndedSession) -> Outcome:
        read: EndedSession = reads.read_harvest(harvest)
        if told is not None:
            told.append(read.log)
        return read.outcome

    return Reconciler(
        platform.client,
        SessionSpec(name="stars", image=IMAGE, command=["true"], replicas=batch.replicas),
        batch,
        Limits(),
        emit=lambda line: None,
        harvest=harvest,
        is_complete=reads.is_complete,
        clock=platform.clock,
        sleep=platform.clock.sleep,
    )


def log_of(result: Any, replica: int = 1, *, replicas: int = 1, try_number: int = 1) -> str:
    """Write the log of a session that has returned a result."""
    token = f"{IDENTITY.key}-{IDENTITY.epoch}-{try_number}-{replica}-{replicas}"
    return "".join(f"\n{line}\n" for line in result_lines(token, json.dumps(result)))


def ended(platform: FakePlatform, replicas: int = 1, *, try_number: int = 1, word: str = "Completed") -> None:
    """Put sessions there that have ended, each with its number for a result."""
    for replica in range(1, replicas + 1):
        log = log_of(replica, replica, replicas=replicas, try_number=try_number)
        platform.add(str(IDENTITY.name(replica, try_number)), word, replica=replica, log=log)


def results(batch: Batch) -> Mapping[int, str | None]:
    return {replica: one.result for replica, one in sorted(batch.outcomes.items())}


async def test_results_are_read_as_sessions_end() -> None:
    platform = FakePlatform()
    ended(platform, 3)
    now = attempt(platform, Batch(IDENTITY, 1, 3))
    plan = await now.advance()
    assert plan.verdict is Verdict.SUCCESS
    assert results(now.batch) == {1: "1", 2: "2", 3: "3"}


@pytest.mark.parametrize(
    "first", ["", "half a line", log_of("x" * 9000)[:5000]], ids=["empty", "half", "cut"]
)
async def test_a_log_without_its_result_is_looked_at_again(first: str) -> None:
    """The server answers so when its kubectl fails."""
    platform = FakePlatform()
    ended(platform)
    (row,) = platform.record
    row.log, whole = first, row.log
    platform.after(3.0, lambda: setattr(row, "log", whole))
    now = attempt(platform, Batch(IDENTITY, 1, 1))
    await now.advance()
    assert results(now.batch) == {1: "1"}


async def test_a_log_that_stays_without_its_result_makes_a_failure() -> None:
    platform = FakePlatform()
    ended(platform, 2)
    platform.record[1].log = "printed\n"
    told: list[str] = []
    now = attempt(platform, Batch(IDENTITY, 1, 2), told)
    plan = await now.advance()
    assert plan.verdict is Verdict.FAILURE
    assert [one.status for one in now.batch.failed()] == ["Completed without a result"]
    assert len(platform.called("logs")) == 1 + 3
    assert told[1].startswith("printed\n(The function's result did not come back. It called sys.exit(0)")


async def test_what_is_missing_of_a_result_is_told() -> None:
    platform = FakePlatform()
    ended(platform)
    platform.record[0].log = log_of("x" * 9000)[:5000]
    told: list[str] = []
    await attempt(platform, Batch(IDENTITY, 1, 1), told).advance()
    assert told[0].endswith("(The function's result did not come back: part of it is missing.)\n")


@pytest.mark.parametrize("fault", [ServerError("500"), AuthenticationError("401")])
async def test_a_log_that_is_not_given_leaves_the_replica_unsettled_and_the_others_are_read(
    fault: RequestError,
) -> None:
    platform = FakePlatform()
    ended(platform, 2)
    platform.faults["logs"] = [fault]
    now = attempt(platform, Batch(IDENTITY, 1, 2))
    with pytest.raises(type(fault)):
        await now.advance()
    assert results(now.batch) == {2: "2"}
    await now.advance()
    assert results(now.batch) == {1: "1", 2: "2"}


async def test_a_platform_that_is_out_is_not_asked_for_the_other_logs() -> None:
    """A client tries each for a while."""
    platform = FakePlatform()
    ended(platform, 3 * LOGS_AT_ONCE)
    platform.faults["logs"] = [None, *[Unreachable("no answer")] * 100]
    platform.faults["fetch"] = [None, Unreachable("no answer")]
    now = attempt(platform, Batch(IDENTITY, 1, 3 * LOGS_AT_ONCE))
    with pytest.raises(Unreachable):
        await now.advance()
    assert results(now.batch) == {1: "1"}
    assert len(platform.called("logs")) == LOGS_AT_ONCE


async def test_a_log_that_the_platform_has_forgotten_is_one_without_a_result() -> None:
    """Nothing would ever bring it back."""
    platform = FakePlatform()
    ended(platform)
    platform.faults["logs"] = [NotFound("404")]
    now = attempt(platform, Batch(IDENTITY, 1, 1))
    await now.advance()
    assert [one.status for one in now.batch.failed()] == ["Completed without a result"]


async def test_a_failure_needs_no_result_and_its_log_is_looked_at_once() -> None:
    platform = FakePlatform()
    platform.add(str(IDENTITY.name(1, 1)), "Failed", log="Traceback\n")
    now = attempt(platform, Batch(IDENTITY, 1, 1))
    await now.advance()
    assert [one.status for one in now.batch.failed()] == ["Failed"]
    assert len(platform.called("logs")) == 1


async def test_a_retry_reads_what_an_earlier_try_has_left() -> None:
    platform = FakePlatform()
    ended(platform, 2)
    now = attempt(platform, Batch(IDENTITY, 2, 2))
    await now.advance()
    assert results(now.batch) == {1: "1", 2: "2"}
    assert not platform.called("create")


async def test_a_retry_launches_again_what_an_earlier_try_has_left_without_a_result() -> None:
    """Its session is listed as Completed, and stays so for an hour."""
    platform = FakePlatform()
    ended(platform, 2)
    platform.record[1].log = ""
    now = attempt(platform, Batch(IDENTITY, 2, 2))
    await now.advance()
    assert results(now.batch) == {1: "1"}
    assert platform.called("create") == [str(IDENTITY.name(2, 2))]

    carried = Batch.from_json(json.loads(json.dumps(now.batch.to_json())))
    platform.record[2].end("Completed", platform.clock.now)
    platform.record[2].log = log_of(2, 2, replicas=2, try_number=2)
    later = attempt(platform, carried)
    assert (await later.advance()).verdict is Verdict.SUCCESS
    assert results(later.batch) == {1: "1", 2: "2"}
    assert len(platform.called("create")) == 1


async def test_a_session_that_was_adopted_alive_and_left_no_result_fails_the_try_that_adopted_it() -> None:
    platform = FakePlatform()
    row = platform.add(str(IDENTITY.name(1, 1)), "Running")
    now = attempt(platform, Batch(IDENTITY, 2, 1))
    await now.advance()
    row.end("Completed", platform.clock.now)
    plan = await now.advance()
    assert plan.verdict is Verdict.FAILURE
    assert not platform.called("create")


def test_a_result_of_another_replica_or_number_of_them_is_not_taken() -> None:
    outcome = Outcome(1, "s1", str(IDENTITY.name(1, 1)), "Completed", True, 1)
    reads = operator(2)
    for log in (log_of(7, 2, replicas=2), log_of(7, replicas=3), log_of(7, replicas=2, try_number=2)):
        read = reads.read_harvest(EndedSession(outcome, log))
        assert read.outcome == replace(outcome, succeeded=False, status="Completed without a result")
    assert reads.read_harvest(EndedSession(outcome, log_of(7, replicas=2))).outcome == replace(
        outcome, result="7"
    )


def test_who_follows_a_log_is_shown_no_lines_of_a_result() -> None:
    assert f"{MARK} " == RESULT
    following = LogFollower(60)
    assert following.take("s1", f"one\n{log_of(7)}", 0) == ["one", ""]
