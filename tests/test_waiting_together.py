"""Many tasks that wait on one poll."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

from airflow_provider_canfar.skaha.errors import AuthenticationError, ServiceBusy, Unreachable
from airflow_provider_canfar.skaha.models import Event
from airflow_provider_canfar.skaha.naming import Identity
from airflow_provider_canfar.skaha.polling import session_cache as listing
from airflow_provider_canfar.skaha.polling.session_poller import GRACE_PERIOD, SessionPoller
from airflow_provider_canfar.skaha.polling.session_reader import REQUESTS_PER_POLL
from airflow_provider_canfar.skaha.polling.session_tracker import LISTS_UNTIL_MISSING
from airflow_provider_canfar.task_sessions.task_wait import TaskWait
from airflow_provider_canfar.task_sessions.wait import wait_for_sessions
from airflow_provider_canfar.task_sessions.wait_spec import WaitSpec, WakeEvent, WakeReason
from tests.fake_platform import FakePlatform, Row
from tests.stepping_clock import SteppingClock

INTERVAL = 15.0
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


class Deployment:
    """An Airflow whose tasks wait for one session each."""

    def __init__(self) -> None:
        self.time = SteppingClock()
        self.platform = FakePlatform(self.time)
        self.watch = SessionPoller(self.platform.client, clock=self.time, sleep=self.time.sleep)
        self.told: dict[str, list[str]] = {}
        self._waits: list[asyncio.Task[WakeEvent]] = []

    def task(self, word: str = "Running", **more: Any) -> tuple[Row, asyncio.Task[WakeEvent]]:
        """Launch a session, and wait for it."""
        number = len(self._waits)
        key = "k3v5x2q" + "".join(ALPHABET[number // 32**digit % 32] for digit in range(3))
        row = self.platform.add(str(Identity("stars", key, 0).name(1, 1)), word)
        self.told[row.session_id] = []
        task_wait = TaskWait(WaitSpec(key, {row.session_id: row.name}, since=self.time.now, **more))
        watch = partial(self.watch.subscribe, interval=INTERVAL)
        wait = asyncio.create_task(wait_for_sessions(task_wait, watch, emit=self.told[row.session_id].append))
        self._waits.append(wait)
        return row, wait

    def tasks(self, count: int, **more: Any) -> list[tuple[Row, asyncio.Task[WakeEvent]]]:
        return [self.task(**more) for _ in range(count)]

    def asked(self, *verbs: str) -> int:
        return sum(verb in verbs for verb, _ in self.platform.calls)

    def outage_log(self, *errors: Exception) -> None:
        self.platform.faults["fetch"] = list(errors)  # type: ignore[arg-type]  # a mistake of ours may be any

    async def close(self) -> None:
        for wait in self._waits:
            wait.cancel()
        await asyncio.gather(*self._waits, return_exceptions=True)
        await self.time.pass_(GRACE_PERIOD + 1)


@pytest.fixture(name="airflow")
async def _airflow() -> AsyncIterator[Deployment]:
    airflow = Deployment()
    yield airflow
    await airflow.close()


async def test_a_thousand_whose_sessions_end_at_once_are_all_told_by_one_list(airflow: Deployment) -> None:
    tasks = airflow.tasks(1000)
    await airflow.time.pass_(100)
    for row, _ in tasks:
        row.end("Completed", airflow.time.now)
    before = airflow.asked("fetch")
    await airflow.time.pass_(INTERVAL * 1.1)
    assert [wait.result().ended for _, wait in tasks] == [{row.session_id: "Completed"} for row, _ in tasks]
    assert airflow.asked("fetch") - before <= 2
    assert airflow.asked("info", "events", "logs") == 0


async def test_an_hour_without_an_answer_fails_nobody_and_is_told_in_each_tasks_log(
    airflow: Deployment,
) -> None:
    tasks = airflow.tasks(200)
    await airflow.time.pass_(100)
    airflow.outage_log(*[ServiceBusy("503", retry_after=30)] * 20, *[Unreachable("no answer")] * 40)
    await airflow.time.pass_(1800)
    for row, _ in tasks:
        row.end("Completed", airflow.time.now)
    await airflow.time.pass_(2400)
    assert all(wait.result().reason is WakeReason.ENDED for _, wait in tasks)
    for lines in airflow.told.values():
        began, *goes_on, ended = [line for line in lines if line.startswith("The platform")]
        assert "503" in began
        assert 8 <= len(goes_on) <= 13
        assert "responding again" in ended


async def test_after_an_outage_too_a_session_is_gone_only_after_several_lists_and_a_404(
    airflow: Deployment,
) -> None:
    lost, wait = airflow.task()
    _, other = airflow.task()
    await airflow.time.pass_(100)
    airflow.outage_log(*[Unreachable("no answer")] * 10)
    lost.vanish()
    await airflow.time.pass_(500)
    assert not wait.done()
    assert airflow.asked("info") == 0
    before = airflow.asked("fetch")
    await airflow.time.pass_(200)
    assert wait.result().gone == (lost.session_id,)
    assert airflow.asked("fetch") - before >= LISTS_UNTIL_MISSING
    assert airflow.platform.called("info") == [lost.session_id]
    assert not other.done()


async def test_ten_thousand_lists_that_omit_a_session_which_is_there_lose_nothing(
    airflow: Deployment,
) -> None:
    row, wait = airflow.task()
    row.listed_from = airflow.time.now + 3600
    await airflow.time.pass_(3500)
    assert not wait.done()
    await airflow.time.pass_(150)
    row.end("Completed", airflow.time.now)
    await airflow.time.pass_(INTERVAL * 1.1)
    assert wait.result().ended == {row.session_id: "Completed"}


async def test_a_deadline_passes_in_an_outage_to_the_second(airflow: Deployment) -> None:
    _, wait = airflow.task(deadline=airflow.time.now + 1000)
    await airflow.time.pass_(100)
    airflow.outage_log(*[Unreachable("no answer")] * 10**4)
    await airflow.time.pass_(899)
    assert not wait.done()
    await airflow.time.pass_(2)
    assert wait.result().reason is WakeReason.DEADLINE


async def test_a_refused_credential_is_told_to_all_with_what_they_have_seen(airflow: Deployment) -> None:
    tasks = airflow.tasks(100)
    await airflow.time.pass_(100)
    airflow.outage_log(*[AuthenticationError("the token has expired")] * 2)
    await airflow.time.pass_(INTERVAL * 1.1)
    assert {(wait.result().reason, wait.result().message) for _, wait in tasks} == {
        (WakeReason.REFUSED, "the token has expired")
    }


NO_ROOM = Event(type="Warning", reason="FailedScheduling", message="0/42 nodes are available")


async def test_of_many_that_queue_a_few_are_asked_for_their_reasons_at_a_time(
    airflow: Deployment,
) -> None:
    for row, _ in airflow.tasks(10 * REQUESTS_PER_POLL, word="Pending"):
        row.events = [NO_ROOM]
    for _ in range(60):
        before = airflow.asked("events"), airflow.asked("fetch")
        await airflow.time.pass_(INTERVAL)
        assert airflow.asked("events") - before[0] <= REQUESTS_PER_POLL * (
            1 + airflow.asked("fetch") - before[1]
        )
    assert all(any("0/42" in line for line in lines) for lines in airflow.told.values())


@pytest.mark.parametrize("large_list", [10, 10**9], ids=["a large account", "a small account"])
async def test_a_session_that_started_in_time_is_not_overdue_though_nobody_has_seen_it_start(
    airflow: Deployment, monkeypatch: pytest.MonkeyPatch, large_list: int
) -> None:
    """A large account is rarely asked for what has not ended."""
    monkeypatch.setattr(listing, "LARGE_LIST_BYTES", large_list)
    start_by = {"s0000000": airflow.time.now + 300, "s0000001": airflow.time.now + 300}
    started, wait = airflow.task(word="Pending", start_by=start_by)
    _, late = airflow.task(word="Pending", start_by=start_by)
    await airflow.time.pass_(299)
    started.start(airflow.time.now)
    await airflow.time.pass_(listing.FULL_LIST_INTERVAL + 2 * INTERVAL)
    assert not wait.done()
    assert late.result().reason is WakeReason.NEVER_STARTED


async def test_an_end_long_after_the_last_change_is_as_young_as_it_is(airflow: Deployment) -> None:
    """Nobody is woken while nothing changes; a replica that ends then is not about to be forgotten."""
    rows = [airflow.platform.add(str(Identity("stars", "k3v5x2qamd", 0).name(n, 1))) for n in (1, 2)]
    waiting = WaitSpec("k3v5x2qamd", {row.session_id: row.name for row in rows}, since=airflow.time.now)
    watch, told = partial(airflow.watch.subscribe, interval=INTERVAL), list[str]()
    wait = asyncio.create_task(wait_for_sessions(TaskWait(waiting), watch, emit=told.append))
    await airflow.time.pass_(20_000)
    rows[0].end("Completed", airflow.time.now)
    await airflow.time.pass_(waiting.record_within - 2 * INTERVAL)
    assert not wait.done()
    await airflow.time.pass_(3 * INTERVAL)
    assert wait.result().reason is WakeReason.RECORD
