"""One try on a platform that answers badly."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_canfar.skaha.errors import (
    AuthenticationError,
    Rejected,
    RequestError,
    ServerError,
    SpecError,
    Unreachable,
)
from airflow_provider_canfar.skaha.metrics import Metric
from airflow_provider_canfar.skaha.models import SessionSpec
from airflow_provider_canfar.skaha.naming import Identity
from airflow_provider_canfar.task_sessions.batch import Batch, Outcome
from airflow_provider_canfar.task_sessions.concurrency import LAUNCH_CONCURRENCY
from airflow_provider_canfar.task_sessions.ended_session import EndedSession, LogReader, OutcomeRecorder
from airflow_provider_canfar.task_sessions.launcher import (
    BUSY_WAIT,
    CREATES_PER_TRY,
    LAUNCH_FOR,
)
from airflow_provider_canfar.task_sessions.limits import Limits
from airflow_provider_canfar.task_sessions.lost_creates import LOST_CREATE_WAIT, NO_JOB_WAIT
from airflow_provider_canfar.task_sessions.plan import Verdict
from airflow_provider_canfar.task_sessions.reconcile import LOG_CONCURRENCY, Reconciler
from tests.fake_platform import Create, FakePlatform, Row
from tests.task_sessions.journaled import over_a_deferral

IDENTITY = Identity("stars", "k3v5x2qamd", 0)


class Trial(LogReader):
    """A try on the platform in memory; each phase in a worker is a new attempt."""

    def __init__(self, replicas: int = 1, *, try_number: int = 1, **limits: Any) -> None:
        self.platform = FakePlatform()
        self.batch = Batch(IDENTITY, try_number, replicas)
        self.limits = Limits(**limits)
        self.launch_for: float | None = None
        self.told: list[str] = []
        self.shown: list[str] = []
        self.recorded: list[EndedSession] = []
        self.outcome_of: Callable[[EndedSession], Outcome] = lambda ended: ended.outcome
        self.has_all: Callable[[EndedSession], bool] = lambda ended: True
        self.reconciler = self._new_reconciler()

    def _new_reconciler(self) -> Reconciler:
        self.spec = SessionSpec(
            name="stars", image="skaha/astroml:24.07", command=["nproc"], replicas=max(1, self.batch.replicas)
        )
        reconciler = Reconciler(
            self.spec,
            self.batch,
            self.limits,
            recorder=OutcomeRecorder(self, emit=self.shown.append, max_log_bytes=None),
            emit=self.told.append,
            clock=self.platform.clock,
            sleep=self.platform.clock.sleep,
        )
        reconciler.launcher.launch_for = self.launch_for
        return reconciler

    def read(self, ended: EndedSession) -> EndedSession:
        """Take note of each ended session whose log is read."""
        self.recorded.append(ended)
        return replace(ended, outcome=self.outcome_of(ended))

    async def advance(self) -> Verdict | None:
        """Go on in a new phase, as after a wait."""
        self.reconciler = self._new_reconciler()
        try:
            self.plan = await self.reconciler.reconcile(self.platform.client)
        finally:
            self.batch = self.reconciler.batch
        return self.plan.verdict

    async def destroy_all(self) -> list[str]:
        return await self._new_reconciler().destroy_all(self.platform.client)

    def is_complete(self, ended: EndedSession) -> bool:
        return self.has_all(ended)

    def next_try(self) -> None:
        """Begin the next try as after a crash: with what the platform lists, and nothing else."""
        self.batch = Batch(self.batch.identity, self.batch.try_number + 1, self.batch.replicas)

    def clear(self) -> None:
        identity = replace(self.batch.identity, epoch=self.batch.try_number)
        self.batch = Batch(identity, self.batch.try_number + 1, self.batch.replicas)

    def end(self, replica: int, word: str = "Completed", log: str = "") -> Row:
        row = self.platform.row(self.batch.launched[replica].session_id)
        row.end(word, self.platform.clock.now)
        row.log = log
        return row

    @property
    def created(self) -> Counter[int]:
        """How many sessions of each replica there have ever been."""
        return Counter(row.replica for row in self.platform.record)

    @property
    def seconds(self) -> float:
        return self.platform.clock.now - self.platform.clock.began


# Launching.


async def test_each_replica_is_launched_once_under_its_own_name() -> None:
    trial = Trial(20)
    assert await trial.advance() is None
    assert [row.name for row in trial.platform.record] == [
        str(IDENTITY.name(replica, 1)) for replica in range(1, 21)
    ]
    assert {one: launch.session_id for one, launch in trial.batch.launched.items()} == {
        row.replica: row.session_id for row in trial.platform.record
    }
    assert await trial.advance() is None
    assert len(trial.platform.record) == 20


async def test_the_time_of_each_launch_is_remembered() -> None:
    trial = Trial()
    await trial.advance()
    assert trial.batch.launched[1].at == trial.platform.clock.began


async def test_only_so_many_creates_are_under_way_at_once() -> None:
    trial, under_way, most = Trial(40), 0, 0
    create = trial.platform.create_replica

    async def counted(*args: Any, **kwargs: Any) -> str:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        session_id = await create(*args, **kwargs)
        under_way -= 1
        return session_id

    trial.platform.create_replica = counted  # type: ignore[method-assign]  # The fake is counted here only.
    await trial.advance()
    assert most == LAUNCH_CONCURRENCY
    assert len(trial.platform.record) == 40


async def test_a_phase_launches_for_a_minute_and_the_next_one_goes_on() -> None:
    """Other tasks want the worker, too."""
    trial = Trial(200)
    clock = trial.platform.clock
    trial.platform.on_create = lambda name: setattr(clock, "now", clock.now + 1.0)
    trial.launch_for = LAUNCH_FOR
    assert await trial.advance() is None
    assert LAUNCH_FOR <= len(trial.platform.record) < LAUNCH_FOR + LAUNCH_CONCURRENCY
    assert trial.reconciler.launcher.retry_at is not None
    assert trial.reconciler.launcher.retry_at <= clock.now
    assert any(line.endswith("replicas follow with the next wake.") for line in trial.told)
    for _ in range(3):
        await trial.advance()
    assert trial.created == dict.fromkeys(range(1, 201), 1)


async def test_a_busy_platform_gets_fewer_creates_at_once() -> None:
    trial = Trial(40)
    trial.platform.creates = [Create.GOOD] * 8 + [Create.BUSY]
    await trial.advance()
    assert trial.reconciler.launcher.concurrency.now < LAUNCH_CONCURRENCY


async def test_a_rolling_launch_keeps_no_more_alive_than_may_be() -> None:
    trial = Trial(5, max_active=2)
    for replica in range(1, 6):
        assert await trial.advance() is None
        assert len(trial.platform.live()) == min(2, 6 - replica)
        trial.end(replica)
    assert await trial.advance() is Verdict.SUCCESS
    assert set(trial.created.values()) == {1}


# Answers that are lost.


@pytest.mark.parametrize("how", [Create.LOST_AFTER, Create.NO_JOB_AND_YET])
async def test_a_session_whose_answer_was_lost_is_found_by_its_name(how: Create) -> None:
    trial = Trial(3)
    trial.platform.creates = [Create.GOOD, how, Create.GOOD]
    assert await trial.advance() is None
    assert trial.created == {1: 1, 2: 1, 3: 1}
    assert sorted(trial.batch.launched) == [1, 2, 3]
    assert trial.seconds <= 5


async def test_a_session_that_comes_late_is_waited_for_and_not_launched_twice() -> None:
    trial = Trial(2)
    trial.platform.late_by = LOST_CREATE_WAIT - 10
    trial.platform.creates = [Create.LATE, Create.LATE]
    assert await trial.advance() is None
    assert trial.created == {1: 1, 2: 1}
    assert len(trial.batch.launched) == 2


async def test_a_session_that_does_not_come_is_sent_again() -> None:
    trial = Trial()
    trial.platform.creates = [Create.LOST_BEFORE]
    assert await trial.advance() is None
    assert trial.created == {1: 1}
    assert LOST_CREATE_WAIT <= trial.seconds <= LOST_CREATE_WAIT + 10


async def test_a_session_that_comes_after_all_patience_is_a_twin_and_goes() -> None:
    trial = Trial()
    trial.platform.late_by = LOST_CREATE_WAIT + 30
    trial.platform.creates = [Create.LATE]
    await trial.advance()
    await trial.platform.clock.sleep(60)
    assert len(trial.platform.live()) == 2
    assert await trial.advance() is None
    (stays,) = trial.platform.live()
    assert trial.batch.launched[1].session_id == stays.session_id


async def test_where_the_server_says_that_kubernetes_knows_no_such_job_the_wait_is_short() -> None:
    trial = Trial()
    trial.platform.creates = [Create.NO_JOB]
    assert await trial.advance() is None
    assert trial.created == {1: 1}
    assert NO_JOB_WAIT <= trial.seconds <= NO_JOB_WAIT + 10


async def test_one_that_does_not_come_is_not_waited_for_because_another_one_was_lost() -> None:
    """The lost one is there at the first look; the long patience was with that one alone."""
    trial = Trial(2)
    trial.platform.creates = [Create.LOST_AFTER, Create.NO_JOB]
    assert await trial.advance() is None
    assert trial.created == {1: 1, 2: 1}
    assert trial.seconds <= NO_JOB_WAIT + 10


async def test_a_look_that_fails_does_not_end_the_looking() -> None:
    trial = Trial()
    trial.platform.creates = [Create.LOST_AFTER]
    trial.platform.faults["fetch"] = [None, Unreachable("no answer"), Unreachable("no answer")]
    assert await trial.advance() is None
    assert trial.created == {1: 1}


@pytest.mark.parametrize(("how", "error"), [(Create.LOST_BEFORE, Unreachable), (Create.NO_JOB, ServerError)])
async def test_a_create_that_is_never_answered_is_not_sent_for_ever(
    how: Create, error: type[RequestError]
) -> None:
    trial = Trial()
    trial.platform.creates = [how] * 100
    with pytest.raises(error, match=how.name):
        await trial.advance()
    assert trial.reconciler.launcher.refused
    assert len(trial.platform.called("create")) == CREATES_PER_TRY


async def test_the_last_create_that_was_not_answered_is_looked_for_too() -> None:
    trial = Trial()
    trial.platform.creates = [Create.LOST_BEFORE] * (CREATES_PER_TRY - 1) + [Create.LATE]
    assert await trial.advance() is None
    assert trial.created == {1: 1}
    assert 1 in trial.batch.launched


# Answers that say no.


@pytest.mark.parametrize(
    ("how", "seconds"), [(Create.TOO_MANY, BUSY_WAIT), (Create.BUSY, 120), (Create.NEVER_SENT, BUSY_WAIT)]
)
async def test_what_a_busy_platform_did_not_take_is_sent_again_later(how: Create, seconds: float) -> None:
    trial = Trial(3)
    trial.platform.creates = [Create.GOOD, how]
    assert await trial.advance() is None
    retry_at = trial.reconciler.launcher.retry_at
    assert retry_at == trial.platform.clock.began + seconds
    assert trial.seconds <= NO_JOB_WAIT + 10
    missing = {1, 2, 3} - trial.batch.launched.keys()
    assert set(trial.plan.launch) == missing
    assert missing
    await trial.platform.clock.sleep(seconds)
    assert await trial.advance() is None
    assert trial.created == {1: 1, 2: 1, 3: 1}
    assert trial.reconciler.launcher.retry_at is None


async def test_when_the_platform_is_busy_no_more_creates_are_sent() -> None:
    trial = Trial(100)
    trial.platform.creates = [Create.TOO_MANY] * 100
    await trial.advance()
    assert len(trial.platform.called("create")) <= LAUNCH_CONCURRENCY


async def test_a_platform_that_stays_busy_fails_nothing() -> None:
    trial = Trial()
    trial.platform.creates = [Create.BUSY] * 20
    for _ in range(20):
        assert await trial.advance() is None
        assert not trial.reconciler.launcher.refused
        await trial.platform.clock.sleep(120)
    await trial.advance()
    assert trial.created == {1: 1}


async def test_a_refusal_is_raised_with_the_servers_sentence() -> None:
    trial = Trial(3)
    trial.platform.creates = [Create.GOOD, Create.REFUSED]
    with pytest.raises(Rejected, match="Invalid value for 'cores': 99"):
        await trial.advance()
    assert trial.reconciler.launcher.refused
    assert trial.batch.launched
    assert await trial.destroy_all() == []
    assert trial.platform.live() == []


async def test_a_refusal_is_said_once_by_the_error_that_fails_the_task() -> None:
    trial = Trial(3)
    trial.platform.creates = [Create.REFUSED] * 3
    with pytest.raises(Rejected):
        await trial.advance()
    assert not any("Invalid value" in line for line in trial.told)


async def test_after_a_refusal_no_more_creates_are_sent() -> None:
    trial = Trial(100)
    trial.platform.creates = [Create.REFUSED] * 100
    with pytest.raises(Rejected):
        await trial.advance()
    assert len(trial.platform.called("create")) <= LAUNCH_CONCURRENCY


async def test_a_session_that_comes_late_beside_a_refusal_is_not_forgotten() -> None:
    """The task fails for good, and nobody would ever look for it again."""
    trial = Trial(2)
    trial.platform.creates = [Create.LATE, Create.REFUSED]
    with pytest.raises(Rejected):
        await trial.advance()
    assert await trial.destroy_all() == []
    await trial.platform.clock.sleep(LOST_CREATE_WAIT)
    assert trial.platform.live() == []


async def test_what_one_create_did_not_foresee_leaves_no_other_unaccounted_for() -> None:
    trial = Trial(3)
    create = trial.platform.create_replica

    async def surprising(spec: SessionSpec, replica: int, **more: Any) -> str:
        if replica == 1:
            raise SpecError("nothing can carry this")
        return await create(spec, replica, **more)

    trial.platform.create_replica = surprising  # type: ignore[method-assign]  # The fake is surprising here only.
    with pytest.raises(SpecError):
        await trial.advance()
    assert sorted(trial.batch.launched) == [2, 3]


async def test_a_list_that_fails_is_raised_and_launches_nothing() -> None:
    trial = Trial()
    trial.platform.faults["fetch"] = [Unreachable("no answer")]
    with pytest.raises(Unreachable):
        await trial.advance()
    assert not trial.reconciler.launcher.refused
    assert trial.platform.record == []


# Adopting and destroying.


async def test_a_retry_adopts_what_lives_and_launches_what_does_not() -> None:
    trial = Trial(3)
    await trial.advance()
    trial.end(1)
    failed = trial.end(2, "Failed", log="reading m13.fits\nOSError: no such plate\n")
    trial.next_try()
    trial.told = []
    assert await trial.advance() is None
    assert trial.created == {1: 1, 2: 2, 3: 1}
    assert sorted(trial.batch.launched) == [2, 3]
    adopted, launched = trial.batch.launched[3], trial.batch.launched[2]
    assert launched.name == str(IDENTITY.name(2, 2))
    assert trial.told == [
        f"Adopted session {adopted.session_id} ({adopted.name}), which is alive.",
        "Try 2 keeps 1 of 3 replicas, adopts 1, and launches replica 2.",
        (
            f"Replica 2 failed in try 1, session {failed.session_id}: Failed. "
            "Its last line: OSError: no such plate"
        ),
        f"Launched session {launched.session_id} ({launched.name}) (kept 1 of an earlier try).",
    ]


async def test_however_many_are_launched_the_log_has_one_line(caplog: pytest.LogCaptureFixture) -> None:
    trial = Trial(60)
    caplog.set_level("DEBUG", "airflow_provider_canfar")
    await trial.advance()
    assert trial.told == ["Launched 60 sessions."]
    row = trial.platform.record[-1]
    assert f"Launched replica 60: session {row.session_id} ({row.name})." in caplog.messages


async def test_what_has_been_seen_to_run_has_started() -> None:
    trial = Trial(2)
    await trial.advance()
    trial.platform.record[0].start(trial.platform.clock.now)
    await trial.advance()
    trial.platform.record[0].preempt()
    await trial.advance()
    assert [one.has_started for one in trial.batch.launched.values()] == [True, False]


async def test_a_clear_destroys_what_lives_before_it_launches() -> None:
    trial = Trial(2)
    await trial.advance()
    trial.clear()
    trial.platform.calls.clear()
    await trial.advance()
    assert [verb for verb, _ in trial.platform.calls][:4] == ["fetch", "destroy", "destroy", "create"]
    assert len(trial.platform.live()) == 2
    assert {row.name for row in trial.platform.live()} == {trial.batch.name(1), trial.batch.name(2)}


async def test_nothing_is_launched_beside_what_does_not_go() -> None:
    """It is no reason to fail: sessions may take a while to end."""
    trial = Trial(2)
    await trial.advance()
    stubborn = trial.platform.record[0]
    trial.platform.undying.add(stubborn.session_id)
    trial.clear()
    assert await trial.advance() is None
    assert trial.platform.live() == [stubborn]
    assert trial.reconciler.launcher.retry_at == trial.platform.clock.now + BUSY_WAIT
    trial.platform.undying.clear()
    assert await trial.advance() is None
    assert len(trial.platform.live()) == 2
    assert not stubborn.is_live


@pytest.mark.parametrize("count", [1, 2])
async def test_a_destroy_that_is_not_answered_is_a_destroy_that_nobody_has_seen(count: int) -> None:
    """Of one session as of many."""
    trial = Trial(count)
    await trial.advance()
    trial.clear()
    trial.platform.faults["destroy"] = [Unreachable("no answer")]
    assert await trial.advance() is None
    assert len(trial.platform.live()) == 1
    assert trial.reconciler.launcher.retry_at is not None


async def test_destroy_all_destroys_all_epochs() -> None:
    trial = Trial(2)
    for epoch in (0, 3, 7):
        trial.platform.add(str(replace(IDENTITY, epoch=epoch).name(1, 1)))
    others = [trial.platform.add("my-notebook"), trial.platform.add("stars-aaaaaaaaaa-0-1-1")]
    trial.batch = replace(trial.batch, identity=replace(IDENTITY, epoch=3))
    assert await trial.destroy_all() == []
    assert trial.platform.live() == others


async def test_destroy_all_destroys_what_lists_do_not_show_yet() -> None:
    trial = Trial(3)
    trial.platform.unlisted_for = 300
    await trial.advance()
    assert trial.platform.listed() == []
    assert await trial.destroy_all() == []
    assert trial.platform.live() == []


async def test_destroy_all_names_what_stays_alive() -> None:
    trial = Trial(3)
    await trial.advance()
    stubborn = trial.platform.record[1].session_id
    trial.platform.undying.add(stubborn)
    assert await trial.destroy_all() == [stubborn]
    assert [row.session_id for row in trial.platform.live()] == [stubborn]
    assert any(
        stubborn in sentence and "delete was requested but not confirmed" in sentence
        for sentence in trial.told
    )


async def test_destroy_all_spares_what_has_ended() -> None:
    trial = Trial(2)
    await trial.advance()
    row = trial.end(1, log="kept")
    await trial.destroy_all()
    assert not row.destroyed


@pytest.mark.parametrize("unlisted_for", [0, 300])
async def test_failing_fast_leaves_nothing_alive(unlisted_for: float) -> None:
    trial = Trial(4, fail_fast=True)
    trial.platform.unlisted_for = unlisted_for
    await trial.advance()
    trial.end(2, "Failed").listed_from = trial.platform.clock.now
    assert await trial.advance() is Verdict.FAILURE
    assert trial.platform.live() == []


async def test_the_start_of_a_session_that_was_destroyed_is_remembered() -> None:
    trial = Trial(3, fail_fast=True)
    await trial.advance()
    trial.platform.row(trial.batch.launched[1].session_id).start(trial.platform.clock.now)
    trial.end(2, "Failed")
    assert await trial.advance() is Verdict.FAILURE
    started = datetime.fromtimestamp(trial.platform.clock.began, UTC).isoformat()
    assert {replica: one.started for replica, one in trial.batch.launched.items()} == {
        1: started,
        2: None,
        3: None,
    }
    assert over_a_deferral(trial.batch).launched == trial.batch.launched


# Stopping.


async def test_what_was_stopped_launches_nothing() -> None:
    trial = Trial(3)
    trial.reconciler.stop()
    plan = await trial.reconciler.reconcile(trial.platform.client)
    assert plan.launch == (1, 2, 3)
    assert trial.platform.record == []


async def test_what_is_stopped_while_it_launches_launches_no_more_and_knows_what_it_has_launched() -> None:
    trial = Trial(50)
    trial.platform.on_create = lambda name: trial.reconciler.stop()
    advancing = asyncio.create_task(trial.advance())
    await advancing
    assert 0 < len(trial.platform.record) <= LAUNCH_CONCURRENCY
    assert len(trial.batch.launched) == len(trial.platform.record)


async def test_what_is_stopped_does_not_wait_for_lost_answers() -> None:
    trial = Trial()
    trial.platform.creates = [Create.LOST_BEFORE]
    trial.platform.after(20, lambda: trial.reconciler.stop())
    await trial.advance()
    assert trial.seconds < 60


async def test_a_kill_lets_creates_under_way_come_to_their_end() -> None:
    trial = Trial(3)
    is_sent = asyncio.Event()
    trial.platform.on_create = lambda name: is_sent.set()
    advancing = asyncio.create_task(trial.advance())
    await is_sent.wait()
    trial.reconciler.stop()
    await trial.reconciler.launcher.wait_for_creates(within=60)
    assert trial.reconciler.batch.launched
    trial.batch = trial.reconciler.batch
    assert await trial.destroy_all() == []
    assert trial.platform.live() == []
    await advancing
    assert trial.platform.live() == []


async def test_a_time_out_in_the_middle_of_a_launch_does_not_lose_what_the_platform_is_making() -> None:
    """Airflow cancels the wait for the answers; the platform makes the sessions all the same."""
    trial = Trial(50)
    is_sent, may_be_answered = asyncio.Event(), asyncio.Event()
    create = trial.platform.create_replica

    async def slow(*args: Any, **more: Any) -> str:
        is_sent.set()
        await may_be_answered.wait()
        return await create(*args, **more)

    trial.platform.create_replica = slow  # type: ignore[method-assign]  # The fake is slow here only.
    advancing = asyncio.create_task(trial.advance())
    await is_sent.wait()
    advancing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await advancing
    is_launching = [trial.reconciler.launcher.is_launching]
    may_be_answered.set()
    await trial.reconciler.launcher.wait_for_creates(within=60)
    is_launching.append(trial.reconciler.launcher.is_launching)
    assert is_launching == [True, False]
    trial.batch = trial.reconciler.batch
    assert 0 < len(trial.batch.launched) <= LAUNCH_CONCURRENCY
    assert await trial.destroy_all() == []
    assert trial.platform.live() == []


async def test_where_nothing_is_under_way_there_is_nothing_to_drain() -> None:
    await Trial().reconciler.launcher.wait_for_creates(within=60)


# Harvesting.


async def test_logs_are_harvested_failed_ones_first() -> None:
    trial = Trial(4, max_failed=2)
    await trial.advance()
    for replica, word in enumerate(["Completed", "Failed", "Completed", "Error"], start=1):
        trial.end(replica, word, log=f"log of {replica}")
    assert await trial.advance() is Verdict.SUCCESS
    assert [harvest.log for harvest in trial.recorded] == [f"log of {one}" for one in (2, 4, 1, 3)]
    assert all(harvest.fault is None for harvest in trial.recorded)


async def test_each_log_is_harvested_once() -> None:
    trial = Trial(2)
    await trial.advance()
    trial.end(1)
    await trial.advance()
    trial.end(2)
    assert await trial.advance() is Verdict.SUCCESS
    assert [harvest.outcome.replica for harvest in trial.recorded] == [1, 2]


async def test_a_log_that_comes_at_the_second_question_is_harvested() -> None:
    trial = Trial()
    await trial.advance()
    trial.end(1, log="here")
    trial.platform.faults["logs"] = [Unreachable("no answer")]
    assert await trial.advance() is Verdict.SUCCESS
    assert [harvest.log for harvest in trial.recorded] == ["here"]


async def test_in_an_outage_logs_wait_until_it_is_over() -> None:
    """What could be read before is recorded; the list, which does not answer either, says that it is one."""
    trial = Trial(3)
    await trial.advance()
    for replica in (1, 2, 3):
        trial.end(replica, log=f"log of {replica}")
    trial.platform.faults["logs"] = [None, Unreachable("no answer"), Unreachable("no answer")]
    trial.platform.faults["fetch"] = [None, Unreachable("no answer")]
    with pytest.raises(Unreachable):
        await trial.advance()
    assert sorted(trial.batch.outcomes) == [1]
    assert await trial.advance() is Verdict.SUCCESS
    assert [harvest.log for harvest in trial.recorded] == ["log of 1", "log of 2", "log of 3"]


async def test_some_logs_are_read_at_once_and_told_in_order() -> None:
    """A thousand may end within the hour for which the platform keeps them."""
    trial, under_way, most = Trial(30), 0, 0
    logs = trial.platform.logs

    async def counted(ids: Any, **limits: Any) -> dict[str, str]:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        answer = await logs(ids, **limits)
        under_way -= 1
        return answer

    trial.platform.logs = counted  # type: ignore[method-assign]  # The fake is counted here only.
    await trial.advance()
    for replica in range(1, 31):
        trial.end(replica, log=str(replica))
    assert await trial.advance() is Verdict.SUCCESS
    assert most == LOG_CONCURRENCY
    assert [harvest.log for harvest in trial.recorded] == [str(replica) for replica in range(1, 31)]


async def test_what_is_stopped_reads_no_more_logs() -> None:
    trial = Trial(30)
    await trial.advance()
    for replica in range(1, 31):
        trial.end(replica)
    reconciler = trial._new_reconciler()
    reconciler.stop()
    await reconciler.reconcile(trial.platform.client)
    assert trial.recorded == []


async def test_what_has_ended_can_be_recorded_without_launching_or_destroying() -> None:
    trial = Trial(3, max_active=2)
    await trial.advance()
    trial.end(1, log="kept")
    reconciler = trial._new_reconciler()
    await reconciler.record_ends(trial.platform.client)
    assert [harvest.log for harvest in trial.recorded] == ["kept"]
    assert sorted(reconciler.batch.outcomes) == [1]
    assert len(trial.platform.record) == 2
    assert len(trial.platform.live()) == 1


async def test_a_log_that_cannot_be_had_does_not_lose_the_outcome() -> None:
    trial = Trial()
    await trial.advance()
    trial.end(1, log="lost")
    trial.platform.faults["logs"] = [Unreachable("no answer")] * 2
    assert await trial.advance() is Verdict.SUCCESS
    assert trial.batch.outcomes[1].succeeded
    (harvest,) = trial.recorded
    assert harvest.log == ""
    assert str(harvest.fault) == "no answer"


async def test_an_end_that_only_the_wait_has_seen_is_harvested_too() -> None:
    trial = Trial()
    await trial.advance()
    session_id = trial.batch.launched[1].session_id
    trial.platform.row(session_id).vanish()
    trial.batch = trial.batch.with_observations({session_id: "Completed"}, ())
    assert await trial.advance() is Verdict.SUCCESS
    assert [harvest.outcome.status for harvest in trial.recorded] == ["Completed"]


async def test_what_the_log_says_beyond_the_platforms_word_makes_the_verdict() -> None:
    trial = Trial(2)
    trial.outcome_of = lambda harvest: replace(harvest.outcome, succeeded="result" in harvest.log)
    await trial.advance()
    trial.end(1, log="result")
    trial.end(2, log="")
    assert await trial.advance() is Verdict.FAILURE
    assert [outcome.replica for outcome in trial.batch.failed()] == [2]


async def test_what_the_log_says_may_be_all_that_fails_a_task_fast() -> None:
    trial = Trial(2, fail_fast=True)
    trial.outcome_of = lambda harvest: replace(harvest.outcome, succeeded=False)
    await trial.advance()
    trial.end(1)
    assert await trial.advance() is Verdict.FAILURE
    assert trial.platform.live() == []


async def test_a_success_of_an_earlier_try_whose_log_has_no_result_is_launched_again() -> None:
    trial = Trial()
    trial.outcome_of = lambda harvest: replace(harvest.outcome, succeeded="result" in harvest.log)
    await trial.advance()
    trial.end(1, log="")
    assert await trial.advance() is Verdict.FAILURE
    trial.next_try()
    assert await trial.advance() is None
    trial.end(1, log="result")
    assert await trial.advance() is Verdict.SUCCESS
    assert trial.created == {1: 2}


async def test_what_a_harvest_raises_leaves_only_its_own_outcome_unrecorded() -> None:
    trial = Trial(3)

    def read(harvest: EndedSession) -> Outcome:
        if harvest.outcome.replica == 2:
            raise ServerError("the log has to be read, and could not be had")
        return harvest.outcome

    trial.outcome_of = read
    await trial.advance()
    for replica in (1, 2, 3):
        trial.end(replica)
    with pytest.raises(ServerError, match="has to be read"):
        await trial.advance()
    assert sorted(trial.batch.outcomes) == [1, 3]
    trial.outcome_of = lambda harvest: harvest.outcome
    assert await trial.advance() is Verdict.SUCCESS


@pytest.mark.parametrize(("whole_after", "subscription"), [(1, 1), (2, 2), (99, 3)])
async def test_a_log_that_is_not_whole_is_looked_at_again_a_few_times(
    whole_after: int, subscription: int
) -> None:
    trial = Trial()
    trial.has_all = lambda harvest: len(trial.platform.called("logs")) >= whole_after
    await trial.advance()
    trial.end(1)
    assert await trial.advance() is Verdict.SUCCESS
    assert len(trial.platform.called("logs")) == subscription


async def test_a_refused_credential_while_destroying_is_told_and_waited_out() -> None:
    trial = Trial(1)
    await trial.advance()
    trial.clear()
    trial.platform.faults["destroy"] = [AuthenticationError("the token has expired")]
    assert await trial.advance() is None
    assert any("the token has expired" in sentence for sentence in trial.told)


# Metrics.


async def test_sessions_that_a_retry_takes_over_are_counted_as_adopted() -> None:
    trial = Trial(replicas=3)
    await trial.advance()
    assert trial.platform.metrics.total(Metric.SESSIONS_ADOPTED) == 0
    trial.next_try()
    await trial.advance()
    await trial.advance()
    assert trial.platform.metrics.total(Metric.SESSIONS_ADOPTED) == 3


async def test_outcomes_are_counted_once() -> None:
    trial = Trial(replicas=3, max_failed=1)
    await trial.advance()
    trial.end(1)
    trial.end(2, "Failed")
    await trial.advance()
    trial.end(3)
    assert await trial.advance() is Verdict.SUCCESS
    sent = trial.platform.metrics
    assert (sent.total(Metric.SESSIONS_SUCCEEDED), sent.total(Metric.SESSIONS_FAILED)) == (2, 1)


async def test_a_create_without_a_response_is_lost_and_its_session_found() -> None:
    trial = Trial(replicas=3)
    trial.platform.creates = [Create.LOST_AFTER, Create.LOST_BEFORE]
    await trial.advance()
    sent = trial.platform.metrics
    assert (sent.total(Metric.CREATES_LOST), sent.total(Metric.CREATES_FOUND)) == (2, 1)
