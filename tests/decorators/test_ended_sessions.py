"""Reading results from logs that the platform returns late, incomplete, or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_canfar.decorators import canfar_task
from airflow_provider_canfar.decorators._function_runner import RESULT_PREFIX, end_line, result_lines
from airflow_provider_canfar.decorators._result_reader import try_marker
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
from airflow_provider_canfar.task_sessions.ended_session import EndedSession, OutcomeRecorder
from airflow_provider_canfar.task_sessions.limits import Limits
from airflow_provider_canfar.task_sessions.log_follower import RESULT, LogFollower
from airflow_provider_canfar.task_sessions.plan import Verdict
from airflow_provider_canfar.task_sessions.reconcile import LOG_CONCURRENCY, Reconciler
from tests.fake_platform import FakePlatform
from tests.on_emulator import IMAGE
from tests.task_sessions.journaled import over_a_deferral

IDENTITY = Identity("stars", "k3v5x2qamd", 0, "its key")


def operator(replicas: int) -> Any:
    def number() -> int:
        return 42

    output: Any = canfar_task(image=IMAGE, replicas=replicas)(number)()
    return output.operator


def reconciler(platform: FakePlatform, batch: Batch, logs: list[str] | None = None) -> Reconciler:
    """Make the reconciler of a task that runs a function; the logs that it shows are appended to ``logs``."""
    shown = [] if logs is None else logs
    reader = operator(batch.replicas).log_reader(batch)
    return Reconciler(
        SessionSpec(name="stars", image=IMAGE, command=["true"], replicas=batch.replicas),
        batch,
        Limits(),
        recorder=OutcomeRecorder(reader, emit=shown.append, max_log_bytes=None),
        emit=lambda line: None,
        clock=platform.clock,
        sleep=platform.clock.sleep,
    )


def log_of(result: Any, replica: int = 1, *, replicas: int = 1, try_number: int = 1) -> str:
    """Return the log of a session that returned a result."""
    marker = f"{try_marker('its key', IDENTITY.name(1, try_number))}-{replica}-{replicas}"
    return "".join(f"\n{line}\n" for line in result_lines(marker, json.dumps(result)))


def add_ended(platform: FakePlatform, replicas: int = 1, *, try_number: int = 1) -> None:
    """Add sessions that have completed, each with its replica number as the result."""
    for replica in range(1, replicas + 1):
        log = log_of(replica, replica, replicas=replicas, try_number=try_number)
        platform.add(str(IDENTITY.name(replica, try_number)), "Completed", replica=replica, log=log)


def results(batch: Batch) -> Mapping[int, str | None]:
    return {replica: one.result for replica, one in sorted(batch.outcomes.items())}


async def test_results_are_read_when_sessions_end() -> None:
    platform = FakePlatform()
    add_ended(platform, 3)
    now = reconciler(platform, Batch(IDENTITY, 1, 3))
    plan = await now.reconcile(platform.client)
    assert plan.verdict is Verdict.SUCCESS
    assert results(now.batch) == {1: "1", 2: "2", 3: "3"}


@pytest.mark.parametrize(
    "first", ["", "half a line", log_of("x" * 9000)[:5000]], ids=["empty", "half", "cut"]
)
async def test_a_log_without_a_result_is_read_again(first: str) -> None:
    """The server returns such a log when its kubectl fails."""
    platform = FakePlatform()
    add_ended(platform)
    (row,) = platform.record
    row.log, whole = first, row.log
    platform.after(3.0, lambda: setattr(row, "log", whole))
    now = reconciler(platform, Batch(IDENTITY, 1, 1))
    await now.reconcile(platform.client)
    assert results(now.batch) == {1: "1"}


async def test_a_log_that_stays_without_a_result_fails_the_replica() -> None:
    platform = FakePlatform()
    add_ended(platform, 2)
    platform.record[1].log = "printed\n"
    logs: list[str] = []
    now = reconciler(platform, Batch(IDENTITY, 1, 2), logs)
    plan = await now.reconcile(platform.client)
    assert plan.verdict is Verdict.FAILURE
    assert [one.status for one in now.batch.failed()] == ["Completed without a result"]
    assert len(platform.called("logs")) == 1 + 3
    assert any(line.startswith("(The function's result is missing from the log, and so is") for line in logs)


async def test_the_log_says_when_part_of_a_result_is_missing() -> None:
    platform = FakePlatform()
    add_ended(platform)
    platform.record[0].log = log_of("x" * 9000)[:5000]
    logs: list[str] = []
    await reconciler(platform, Batch(IDENTITY, 1, 1), logs).reconcile(platform.client)
    assert logs[-2].endswith("(The function's result is missing from the log: part of it is missing.)")


@pytest.mark.parametrize("fault", [ServerError("500"), AuthenticationError("401")])
async def test_an_unreadable_log_leaves_its_replica_open_and_the_others_are_read(
    fault: RequestError,
) -> None:
    platform = FakePlatform()
    add_ended(platform, 2)
    platform.faults["logs"] = [fault]
    now = reconciler(platform, Batch(IDENTITY, 1, 2))
    with pytest.raises(type(fault)):
        await now.reconcile(platform.client)
    assert results(now.batch) == {2: "2"}
    await now.reconcile(platform.client)
    assert results(now.batch) == {1: "1", 2: "2"}


async def test_an_outage_stops_the_reading_of_further_logs() -> None:
    """The client would retry each of them for a while."""
    platform = FakePlatform()
    add_ended(platform, 3 * LOG_CONCURRENCY)
    platform.faults["logs"] = [None, *[Unreachable("no answer")] * 100]
    platform.faults["fetch"] = [None, Unreachable("no answer")]
    now = reconciler(platform, Batch(IDENTITY, 1, 3 * LOG_CONCURRENCY))
    with pytest.raises(Unreachable):
        await now.reconcile(platform.client)
    assert results(now.batch) == {1: "1"}
    assert len(platform.called("logs")) == LOG_CONCURRENCY


async def test_a_forgotten_log_counts_as_one_without_a_result() -> None:
    """It can never be read again."""
    platform = FakePlatform()
    add_ended(platform)
    platform.faults["logs"] = [NotFound("404")]
    now = reconciler(platform, Batch(IDENTITY, 1, 1))
    await now.reconcile(platform.client)
    assert [one.status for one in now.batch.failed()] == ["Completed without a result"]


async def test_the_log_of_a_failure_is_read_once() -> None:
    platform = FakePlatform()
    platform.add(str(IDENTITY.name(1, 1)), "Failed", log="Traceback\n")
    now = reconciler(platform, Batch(IDENTITY, 1, 1))
    await now.reconcile(platform.client)
    assert [one.status for one in now.batch.failed()] == ["Failed"]
    assert len(platform.called("logs")) == 1


async def test_a_retry_reads_the_results_of_an_earlier_try() -> None:
    platform = FakePlatform()
    add_ended(platform, 2)
    now = reconciler(platform, Batch(IDENTITY, 2, 2))
    await now.reconcile(platform.client)
    assert results(now.batch) == {1: "1", 2: "2"}
    assert not platform.called("create")


async def test_a_retry_relaunches_a_replica_that_left_no_result() -> None:
    """The platform still lists its session as Completed, for an hour."""
    platform = FakePlatform()
    add_ended(platform, 2)
    platform.record[1].log = ""
    now = reconciler(platform, Batch(IDENTITY, 2, 2))
    await now.reconcile(platform.client)
    assert results(now.batch) == {1: "1"}
    assert platform.called("create") == [str(IDENTITY.name(2, 2))]

    restored = over_a_deferral(now.batch)
    platform.record[2].end("Completed", platform.clock.now)
    platform.record[2].log = log_of(2, 2, replicas=2, try_number=2)
    later = reconciler(platform, restored)
    assert (await later.reconcile(platform.client)).verdict is Verdict.SUCCESS
    assert results(later.batch) == {1: "1", 2: "2"}
    assert len(platform.called("create")) == 1


async def test_an_adopted_session_without_a_result_fails_the_try_that_adopted_it() -> None:
    platform = FakePlatform()
    row = platform.add(str(IDENTITY.name(1, 1)), "Running")
    now = reconciler(platform, Batch(IDENTITY, 2, 1))
    await now.reconcile(platform.client)
    row.end("Completed", platform.clock.now)
    plan = await now.reconcile(platform.client)
    assert plan.verdict is Verdict.FAILURE
    assert not platform.called("create")


async def test_a_function_that_exits_by_itself_is_not_waited_for() -> None:
    """Its log has the end of its process, so nothing more can come."""
    platform = FakePlatform()
    marker = f"{try_marker('its key', IDENTITY.name(1, 1))}-1-1"
    platform.add(str(IDENTITY.name(1, 1)), "Completed", log=f"printed\n\n{end_line(marker, 0)}\n")
    logs: list[str] = []
    now = reconciler(platform, Batch(IDENTITY, 1, 1), logs)
    await now.reconcile(platform.client)
    assert [one.status for one in now.batch.failed()] == ["Completed without a result"]
    assert len(platform.called("logs")) == 1
    assert any("it called sys.exit(0) before it returned" in line for line in logs)


async def test_a_program_that_knows_its_session_s_name_cannot_forge_a_result() -> None:
    """Nor can one that prints the results of other tries, or of another task."""
    forged = [f"{IDENTITY.key}-{IDENTITY.epoch}-1-1-1", f"{IDENTITY.name(1, 1)}-1-1"]
    forged += [f"{try_marker(key, IDENTITY.name(1, 1))}-1-1" for key in ("", "another key")]
    forged += [f"{try_marker('its key', IDENTITY.name(1, 2))}-1-1"]
    platform = FakePlatform()
    log = "".join(f"{line}\n" for marker in forged for line in result_lines(marker, "666"))
    platform.add(str(IDENTITY.name(1, 1)), "Completed", log=log)
    now = reconciler(platform, Batch(IDENTITY, 1, 1))
    await now.reconcile(platform.client)
    assert [one.status for one in now.batch.failed()] == ["Completed without a result"]


def test_a_result_counts_only_for_its_own_replica_count_and_try() -> None:
    outcome = Outcome(1, "s1", str(IDENTITY.name(1, 1)), "Completed", True, 1)
    reader = operator(2).log_reader(Batch(IDENTITY, 1, 2))
    for log in (log_of(7, 2, replicas=2), log_of(7, replicas=3), log_of(7, replicas=2, try_number=2)):
        ended = reader.read(EndedSession(outcome, log))
        assert ended.outcome == replace(outcome, succeeded=False, status="Completed without a result")
    ended = reader.read(EndedSession(outcome, log_of(7, replicas=2)))
    assert ended.outcome == replace(outcome, result="7")


def test_a_followed_log_shows_no_result_lines() -> None:
    assert f"{RESULT_PREFIX} " == RESULT
    follower = LogFollower(60)
    assert follower.new_lines("s1", f"one\n{log_of(7)}", 0) == ["one", "", ""]
