"""Waiting: when the worker is woken, and what it is told."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.skaha.errors import (
    AuthenticationError,
    NotFound,
    Rejected,
    RequestError,
    ServerError,
    ServiceBusy,
    Unreachable,
)
from airflow_provider_canfar.skaha.models import Event
from airflow_provider_canfar.skaha.naming import Identity
from airflow_provider_canfar.skaha.polling.outage_log import REPORT_EVERY
from airflow_provider_canfar.skaha.polling.session_tracker import LISTS_UNTIL_MISSING
from airflow_provider_canfar.skaha.polling.snapshot import Snapshot
from airflow_provider_canfar.skaha.polling.usage import InUse, Usage, UsageHistory
from airflow_provider_canfar.task_sessions.batch import Batch
from airflow_provider_canfar.task_sessions.limits import Limits
from airflow_provider_canfar.task_sessions.next_wait import wait_spec_for
from airflow_provider_canfar.task_sessions.progress import XCOM_EVERY, Progress
from airflow_provider_canfar.task_sessions.run_options import RunOptions
from airflow_provider_canfar.task_sessions.task_wait import SLOT_DELAY, TaskWait
from airflow_provider_canfar.task_sessions.wait import wait_for_sessions
from airflow_provider_canfar.task_sessions.wait_spec import RECORD_WITHIN, WaitSpec, WakeEvent, WakeReason
from tests.fake_platform import RETENTION, FakePlatform, Row

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.polling.session_reader import SessionReader
    from airflow_provider_canfar.skaha.polling.subscriptions import Subscription

IDENTITY = Identity("stars", "k3v5x2qamd", 0)
INTERVAL = 15.0
OUTAGE_INTERVAL = 60.0


@dataclass
class FakeSubscription:
    """Shows snapshots of a platform in memory."""

    snapshots: AsyncIterator[Snapshot]
    reader: SessionReader
    usage: UsageHistory

    def __aiter__(self) -> AsyncIterator[Snapshot]:
        return self.snapshots


@dataclass
class Scene:
    """Sessions on a platform, and somebody who waits for them."""

    platform: FakePlatform = field(default_factory=FakePlatform)
    told: list[str] = field(default_factory=list)
    written: list[dict[str, Any]] = field(default_factory=list)
    usage: UsageHistory = field(default_factory=UsageHistory)

    def session(self, replica: int = 1, word: str = "Running") -> Row:
        return self.platform.add(str(IDENTITY.name(replica, 1)), word, replica=replica)

    def sessions(self, count: int) -> list[Row]:
        return [self.session(replica) for replica in range(1, count + 1)]

    def ends(self, row: Row, after: float, word: str = "Completed") -> None:
        self.platform.after(after, lambda: row.end(word, self.now))

    @property
    def now(self) -> float:
        return self.platform.clock.now

    def wait_spec(self, rows: list[Row], **more: Any) -> WaitSpec:
        return WaitSpec(IDENTITY.key, {row.session_id: row.name for row in rows}, **more)

    async def wait(self, rows: list[Row], **more: Any) -> tuple[WakeEvent, float]:
        """Wait, and return why and after how many seconds the worker is woken."""
        began = self.now
        task_wait = TaskWait(self.wait_spec(rows, **more))
        wake = await wait_for_sessions(
            task_wait, self.subscribe, emit=self.told.append, write_progress=self.write_progress
        )
        return wake, self.now - began

    def write_progress(self, at: float, latest: Callable[[float], dict[str, Any] | None]) -> None:
        def write() -> None:
            value = latest(self.now)
            assert value is not None
            self.written.append(value)

        if at <= self.now:
            write()
        else:
            self.platform.after(at - self.now, write)

    @asynccontextmanager
    async def subscribe(self, ids: Iterable[str] = (), **_: Any) -> AsyncIterator[Subscription]:
        yield cast("Subscription", FakeSubscription(self.snapshots(), self.platform.reads, self.usage))

    async def snapshots(self) -> AsyncIterator[Snapshot]:
        """List all sessions once per interval, and less often while there is no response."""
        while True:
            pause = INTERVAL
            try:
                yield Snapshot(self.now, tuple(await self.platform.fetch()))
            except AuthenticationError:
                raise
            except RequestError as fault:
                yield Snapshot(self.now, fault=fault)
                pause = OUTAGE_INTERVAL
            await self.platform.clock.sleep(pause)

    def outage_log(self, verb: str, count: int, error: RequestError | None = None) -> None:
        self.platform.faults[verb] = [error or Unreachable("no answer")] * count


@pytest.fixture(name="scene")
def _scene() -> Scene:
    return Scene()


# When the worker is woken.


async def test_the_worker_is_woken_when_all_have_ended(scene: Scene) -> None:
    one, other = scene.sessions(2)
    scene.ends(one, 40)
    scene.ends(other, 100, "Failed")
    wake, after = await scene.wait([one, other])
    assert wake.reason is WakeReason.ENDED
    assert wake.ended == {one.session_id: "Completed", other.session_id: "Failed"}
    assert 100 <= after <= 100 + INTERVAL


async def test_the_worker_is_told_what_ended_sessions_were_seen_to_use(scene: Scene) -> None:
    one, other = scene.sessions(2)
    scene.usage.observe({one.session_id: InUse(15.5, 0.5), "a-stranger": InUse(1.0, 1.0)}, scene.now + 10)
    scene.ends(one, 40)
    scene.ends(other, 40)
    wake, after = await scene.wait([one, other])
    assert wake.usage == {one.session_id: Usage(15.5, 15.5, 0.5, 1, round(after - 10))}


async def test_an_end_that_the_list_no_longer_shows_is_told(scene: Scene) -> None:
    early, late = scene.sessions(2)
    scene.ends(early, 30)
    scene.ends(late, RECORD_WITHIN - 60)
    scene.platform.after(60, early.vanish)
    wake, _ = await scene.wait([early, late])
    assert wake.ended == {early.session_id: "Completed", late.session_id: "Completed"}
    assert wake.gone == ()


async def test_where_there_is_nothing_to_wait_for_the_worker_is_woken_at_once(scene: Scene) -> None:
    wake, after = await scene.wait([])
    assert (wake.reason, after) == (WakeReason.ENDED, 0)


@pytest.mark.parametrize("word", ["Pending", "Running", "Terminating", "Frozen"])
async def test_a_status_that_is_no_end_is_waited_on(scene: Scene, word: str) -> None:
    row = scene.session(word=word)
    scene.ends(row, 1000)
    wake, after = await scene.wait([row])
    assert wake.reason is WakeReason.ENDED
    assert after >= 1000


async def test_a_session_that_is_preempted_is_waited_on(scene: Scene) -> None:
    row = scene.session()
    scene.platform.after(60, row.preempt)
    scene.platform.after(600, lambda: row.start(scene.now))
    scene.ends(row, 900)
    wake, after = await scene.wait([row])
    assert wake.reason is WakeReason.ENDED
    assert after >= 900
    assert [sentence.partition(": ")[2] for sentence in scene.told] == [
        "Running",
        "Running → Pending",
        "Pending → Running",
        "Running → Completed",
    ]


async def test_free_places_wake_the_worker_when_there_are_enough(scene: Scene) -> None:
    rows = scene.sessions(5)
    scene.ends(rows[0], 60)
    scene.ends(rows[1], 60)
    wake, after = await scene.wait(rows, slots_to_free=2)
    assert wake.reason is WakeReason.SLOTS
    assert after <= 60 + INTERVAL
    assert len(wake.ended) == 2


async def test_a_single_free_place_waits_a_little_for_others(scene: Scene) -> None:
    rows = scene.sessions(5)
    scene.ends(rows[0], 60)
    wake, after = await scene.wait(rows, slots_to_free=2)
    assert wake.reason is WakeReason.SLOTS
    assert 60 + SLOT_DELAY - INTERVAL <= after <= 60 + SLOT_DELAY + 2 * INTERVAL


async def test_where_nothing_is_to_be_launched_free_places_wake_nobody(scene: Scene) -> None:
    rows = scene.sessions(2)
    scene.ends(rows[0], 60)
    scene.ends(rows[1], 600)
    wake, _ = await scene.wait(rows)
    assert wake.reason is WakeReason.ENDED


async def test_a_busy_platform_is_asked_again_in_time(scene: Scene) -> None:
    rows = scene.sessions(1)
    scene.ends(rows[0], 5)
    wake, after = await scene.wait(rows, retry_at=scene.now + 120)
    assert wake.reason is WakeReason.RETRY
    assert 120 <= after <= 120 + INTERVAL


async def test_a_busy_platform_is_asked_again_also_when_nothing_runs(scene: Scene) -> None:
    wake, after = await scene.wait([], retry_at=scene.now + 120)
    assert wake.reason is WakeReason.RETRY
    assert after >= 120


async def test_too_many_failures_wake_the_worker_of_a_task_that_fails_fast(scene: Scene) -> None:
    rows = scene.sessions(4)
    scene.ends(rows[0], 10, "Failed")
    scene.ends(rows[1], 100)
    scene.ends(rows[2], 200, "Error")
    wake, after = await scene.wait(rows, failures_left=1)
    assert wake.reason is WakeReason.FAILURES
    assert after >= 200


async def test_one_that_is_gone_counts_as_a_failure(scene: Scene) -> None:
    rows = scene.sessions(2)
    rows[0].vanish()
    wake, _ = await scene.wait(rows, failures_left=0)
    assert wake.reason is WakeReason.FAILURES
    assert wake.gone == (rows[0].session_id,)


async def test_without_a_bound_failures_wake_nobody_before_all_have_ended(scene: Scene) -> None:
    rows = scene.sessions(2)
    scene.ends(rows[0], 10, "Failed")
    scene.ends(rows[1], 600)
    wake, _ = await scene.wait(rows)
    assert wake.reason is WakeReason.ENDED


async def test_an_end_is_recorded_before_the_platform_forgets_it(scene: Scene) -> None:
    early, late = scene.sessions(2)
    scene.ends(early, 60)
    wake, after = await scene.wait([early, late])
    assert wake.reason is WakeReason.RECORD
    assert wake.ended == {early.session_id: "Completed"}
    assert RECORD_WITHIN <= after <= RETENTION / 2


async def test_an_end_is_recorded_as_soon_as_the_author_wants(scene: Scene) -> None:
    """A platform may forget sooner than CANFAR's does."""
    early, late = scene.sessions(2)
    scene.ends(early, 60)
    scene.ends(late, 3600)
    wake, after = await scene.wait([early, late], record_within=120.0)
    assert wake.reason is WakeReason.RECORD
    assert after <= 60 + 120 + 2 * INTERVAL


async def test_an_end_at_a_restart_of_the_triggerer_may_be_as_old_as_the_wait(scene: Scene) -> None:
    """What the first look shows as ended was alive when the wait began; nobody knows more of it."""
    rows = scene.sessions(2)
    began = scene.now
    rows[0].end("Completed", scene.now + 1)
    await scene.platform.clock.sleep(RETENTION - 60)
    wake, after = await scene.wait(rows, since=began)
    assert (wake.reason, after) == (WakeReason.RECORD, 0)


async def test_an_end_after_an_outage_may_be_as_old_as_the_outage(scene: Scene) -> None:
    rows = scene.sessions(2)
    scene.ends(rows[0], 60)
    scene.platform.after(10, lambda: scene.outage_log("fetch", 40))
    wake, after = await scene.wait(rows, since=scene.now)
    assert wake.reason is WakeReason.RECORD
    assert 40 * OUTAGE_INTERVAL <= after <= RETENTION


async def test_an_unexpected_live_session_of_the_task_wakes_the_worker(scene: Scene) -> None:
    """The answer to a create was lost, and the session came so late that nobody looked for it any more."""
    rows = scene.sessions(1)
    scene.platform.after(100, lambda: scene.session(1, "Pending"))
    wake, after = await scene.wait(rows)
    assert wake.reason is WakeReason.DUPLICATE
    assert after >= 100


@pytest.mark.parametrize(
    ("name", "word"),
    [("my-notebook", "Running"), ("stars-aaaaaaaaaa-0-1-1", "Running"), (str(IDENTITY.name(1, 1)), "Failed")],
)
async def test_other_sessions_wake_nobody(scene: Scene, name: str, word: str) -> None:
    rows = scene.sessions(1)
    scene.platform.add(name, word)
    scene.ends(rows[0], 600)
    wake, _ = await scene.wait(rows)
    assert wake.reason is WakeReason.ENDED
    assert wake.ended == {rows[0].session_id: "Completed"}


async def test_the_deadline_wakes_the_worker(scene: Scene) -> None:
    rows = scene.sessions(1)
    wake, after = await scene.wait(rows, deadline=scene.now + 300)
    assert wake.reason is WakeReason.DEADLINE
    assert 300 <= after <= 300 + INTERVAL


async def test_the_deadline_comes_before_another_launch(scene: Scene) -> None:
    wake, _ = await scene.wait([], retry_at=scene.now + 60, deadline=scene.now + 60)
    assert wake.reason is WakeReason.DEADLINE


async def test_what_has_ended_by_the_deadline_has_ended(scene: Scene) -> None:
    rows = scene.sessions(1)
    rows[0].end("Completed", scene.now)
    wake, _ = await scene.wait(rows, deadline=scene.now)
    assert wake.reason is WakeReason.ENDED


def pull_failed(words: str) -> list[Event]:
    """Say why an image could not be pulled; the events have no times."""
    image = "images.canfar.net/nobody/nothing:1"
    return [
        Event(type="Warning", reason="Failed", message=f'Failed to pull image "{image}": {words}'),
        Event(type="Normal", reason="BackOff", message=f'Back-off pulling image "{image}"'),
    ]


NOT_FOUND = pull_failed("not found")
UNAVAILABLE = pull_failed("503 Service Unavailable")


async def test_a_session_that_cannot_start_wakes_the_worker_in_a_minute_with_the_platforms_words(
    scene: Scene,
) -> None:
    row = scene.session(word="Pending")
    row.events = NOT_FOUND
    wake, after = await scene.wait([row])
    assert wake.reason is WakeReason.NEVER_STARTED
    assert wake.never_started[row.session_id].startswith(NOT_FOUND[0].message)
    assert wake.permanent == (row.session_id,)
    assert after <= 60


async def test_a_registry_s_bad_moment_wakes_nobody(scene: Scene) -> None:
    row = scene.session(word="Pending")
    row.events = UNAVAILABLE
    scene.platform.after(1500, lambda: row.start(scene.now))
    scene.ends(row, 1600)
    wake, _ = await scene.wait([row])
    assert (wake.reason, wake.never_started) == (WakeReason.ENDED, {})
    told = [line for line in scene.told if "start" in line.removeprefix(row.name)]
    assert ["503 Service Unavailable" in line for line in told] == [True, False]
    assert told[1].endswith("has started after all.")


async def test_a_registry_that_stays_away_is_waited_for_until_a_bound(scene: Scene) -> None:
    row = scene.session(word="Pending")
    row.events = UNAVAILABLE
    wake, after = await scene.wait([row])
    assert wake.reason is WakeReason.NEVER_STARTED
    assert wake.never_started[row.session_id].startswith(f"for 30 minutes: {UNAVAILABLE[0].message}")
    assert wake.permanent == ()
    assert 1800 <= after <= 1800 + 5 * INTERVAL


async def test_startup_timeout_ends_the_wait_for_a_registry_earlier(scene: Scene) -> None:
    row = scene.session(word="Pending")
    row.events = UNAVAILABLE
    wake, after = await scene.wait([row], start_by={row.session_id: scene.now + 600})
    assert "startup_timeout" in wake.never_started[row.session_id]
    assert "503 Service Unavailable" in wake.never_started[row.session_id]
    assert 600 <= after <= 600 + INTERVAL


async def test_of_many_that_cannot_start_one_wake_tells_of_several(scene: Scene) -> None:
    rows = [scene.session(replica, "Pending") for replica in range(1, 11)]
    running = scene.session(11)
    for row in rows:
        row.events = NOT_FOUND
    wake, after = await scene.wait([*rows, running])
    assert wake.reason is WakeReason.NEVER_STARTED
    assert len(wake.never_started) == 10
    assert after <= 120


async def test_one_that_cannot_start_spends_the_budget_of_failures(scene: Scene) -> None:
    stuck, running = scene.session(1, "Pending"), scene.session(2)
    stuck.events = NOT_FOUND
    wake, _ = await scene.wait([stuck, running], failures_left=0)
    assert wake.reason is WakeReason.FAILURES
    assert list(wake.never_started) == [stuck.session_id]


async def test_one_that_vanishes_while_it_cannot_start_is_gone_and_nothing_else(scene: Scene) -> None:
    stuck, running = scene.session(1, "Pending"), scene.session(2)
    stuck.events = UNAVAILABLE
    scene.platform.after(300, stuck.vanish)
    scene.ends(running, 4000)
    wake, _ = await scene.wait([stuck, running], record_within=5000)
    assert (wake.reason, wake.gone, wake.never_started) == (WakeReason.ENDED, (stuck.session_id,), {})


async def test_a_session_that_has_not_started_in_time_wakes_the_worker(scene: Scene) -> None:
    row = scene.session(word="Pending")
    row.events = [Event(type="Warning", reason="FailedScheduling", message="0/42 nodes are available")]
    wake, after = await scene.wait([row], start_by={row.session_id: scene.now + 600})
    assert wake.reason is WakeReason.NEVER_STARTED
    assert "0/42 nodes are available" in wake.never_started[row.session_id]
    assert after >= 600
    assert sum("0/42 nodes are available" in sentence for sentence in scene.told) == 1


async def test_the_worker_is_told_what_has_started(scene: Scene) -> None:
    """It leaves those out of the next wait, in which they may be Pending again."""
    rows = [scene.session(1, "Pending"), scene.session(2, "Pending")]
    scene.platform.after(60, lambda: rows[0].start(scene.now))
    scene.platform.after(90, rows[0].preempt)
    start_by = {row.session_id: scene.now + 600 for row in rows}
    wake, _ = await scene.wait(rows, start_by=start_by)
    assert list(wake.never_started) == [rows[1].session_id]
    assert wake.started == (rows[0].session_id,)


async def test_events_that_cannot_be_had_say_nothing(scene: Scene) -> None:
    """The server knows of no events until the session has been admitted."""
    row = scene.session(word="Pending")
    scene.outage_log("events", 5, NotFound("session s0000000 not found."))
    scene.platform.after(2000, lambda: row.start(scene.now))
    scene.ends(row, 2400)
    wake, _ = await scene.wait([row])
    assert wake.reason is WakeReason.ENDED
    assert len(scene.platform.called("events")) >= 5


async def test_a_refused_credential_wakes_the_worker_with_the_platforms_words(scene: Scene) -> None:
    rows = scene.sessions(2)
    scene.ends(rows[0], 20)
    scene.platform.after(
        50, lambda: scene.outage_log("fetch", 1, AuthenticationError("the token has expired"))
    )
    wake, _ = await scene.wait(rows)
    assert wake.reason is WakeReason.REFUSED
    assert wake.message == "the token has expired"
    assert wake.ended == {rows[0].session_id: "Completed"}


@pytest.mark.parametrize("verb", ["info", "events", "logs"])
async def test_a_credential_that_is_refused_for_a_single_session_is_refused(scene: Scene, verb: str) -> None:
    row = scene.session(word="Running" if verb == "logs" else "Pending")
    scene.outage_log(verb, 1, AuthenticationError("the token has expired"))
    if verb == "info":
        scene.platform.after(20, row.vanish)
    wake, _ = await scene.wait([row], logging_interval=60)
    assert wake.reason is WakeReason.REFUSED


# What is gone.


async def test_a_vanished_session_is_gone_only_after_three_lists_and_a_404(scene: Scene) -> None:
    row = scene.session()
    row.vanish()
    wake, _ = await scene.wait([row])
    assert wake.gone == (row.session_id,)
    assert wake.ended == {}
    assert [verb for verb, _ in scene.platform.calls] == ["fetch"] * LISTS_UNTIL_MISSING + ["info"]


async def test_a_session_that_lists_omit_and_the_platform_knows_is_not_gone(scene: Scene) -> None:
    row = scene.session()
    row.listed_from = scene.now + 600
    scene.ends(row, 700)
    wake, _ = await scene.wait([row])
    assert wake.gone == ()
    assert wake.ended == {row.session_id: "Completed"}


async def test_lists_that_omit_a_session_now_and_then_do_not_add_up(scene: Scene) -> None:
    row = scene.session()
    task_wait = TaskWait(scene.wait_spec([row]))
    count = 0
    async for snapshot in scene.snapshots():
        is_shown = count % LISTS_UNTIL_MISSING == LISTS_UNTIL_MISSING - 1
        task_wait.observe(snapshot if is_shown else replace(snapshot, sessions=()))
        assert task_wait.tracker.missing_ids() == []
        count += 1
        if count == 4 * LISTS_UNTIL_MISSING:
            break


@pytest.mark.parametrize(
    "error", [Unreachable("no answer"), ServiceBusy("503"), ServerError("500"), Rejected("403")], ids=repr
)
async def test_a_question_that_is_not_answered_says_nothing_about_a_session(
    scene: Scene, error: RequestError
) -> None:
    row = scene.session()
    row.vanish()
    scene.outage_log("info", 3, error)
    wake, _ = await scene.wait([row])
    assert wake.gone == (row.session_id,)
    assert len(scene.platform.called("info")) == 4


async def test_while_the_platform_is_silent_about_one_session_it_is_not_asked_about_a_thousand(
    scene: Scene,
) -> None:
    """Each question may wait for its answer for as long as a time-out is."""
    rows = scene.sessions(50)
    for row in rows:
        row.vanish()
    scene.outage_log("info", 10**6)
    wake, _ = await scene.wait(rows, deadline=scene.now + 300)
    assert wake.reason is WakeReason.DEADLINE
    assert len(scene.platform.called("info")) <= len(scene.platform.called("fetch"))


async def test_a_fault_about_one_session_does_not_keep_the_others_from_being_asked_for(scene: Scene) -> None:
    rows = scene.sessions(2)
    for row in rows:
        row.vanish()
    broken = rows[0].session_id
    scene.platform.faults["info"] = [ServerError("500"), None, *[ServerError("500")] * 100]
    wake, _ = await scene.wait(rows, deadline=scene.now + 300)
    assert wake.gone == (rows[1].session_id,)
    assert scene.platform.called("info").count(broken) > 1


def test_one_that_is_listed_again_was_not_gone(scene: Scene) -> None:
    """Each session ends once: as gone, or as what the list says of it afterwards."""
    rows = scene.sessions(2)
    task_wait = TaskWait(scene.wait_spec(rows, failures_left=0))
    task_wait.mark_gone([rows[0].session_id], scene.now)
    rows[0].end("Completed", scene.now)
    rows[1].end("Completed", scene.now)
    task_wait.observe(Snapshot(scene.now, tuple(row.reported() for row in scene.platform.listed())))
    wake = task_wait.wake(scene.now)
    assert wake is not None
    assert wake.reason is WakeReason.ENDED
    assert wake.gone == ()


# Looks that show less than a whole list, and none at all.


def test_a_look_for_ended_sessions_omits_nothing(scene: Scene) -> None:
    row = scene.session()
    task_wait = TaskWait(scene.wait_spec([row]))
    for _ in range(2 * LISTS_UNTIL_MISSING):
        task_wait.observe(Snapshot(scene.now, is_complete=False))
    assert task_wait.tracker.missing_ids() == []


def test_a_look_for_ended_sessions_neither_confirms_nor_clears_a_suspicion(scene: Scene) -> None:
    row = scene.session()
    task_wait = TaskWait(scene.wait_spec([row]))
    for _ in range(LISTS_UNTIL_MISSING):
        assert task_wait.tracker.missing_ids() == []
        task_wait.observe(Snapshot(scene.now, is_complete=False))
        task_wait.observe(Snapshot(scene.now))
    assert task_wait.tracker.missing_ids() == [row.session_id]


def test_news_are_no_older_than_the_look_before(scene: Scene) -> None:
    """Others' looks count too: where the poll is shared, one who waits is not shown each of them."""
    rows = scene.sessions(2)
    rows[0].end("Completed", scene.now)
    task_wait = TaskWait(scene.wait_spec(rows, since=scene.now - RETENTION))
    listed = tuple(row.reported() for row in scene.platform.listed())
    task_wait.observe(Snapshot(scene.now, listed, previous_at=scene.now - 15))
    assert task_wait.wake(scene.now) is None
    wake = task_wait.wake(scene.now - 15 + RECORD_WITHIN)
    assert wake is not None
    assert wake.reason is WakeReason.RECORD


def test_where_nothing_is_due_there_is_no_time_to_be_woken_at(scene: Scene) -> None:
    assert TaskWait(scene.wait_spec(scene.sessions(1))).wake_at() is None


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"deadline": 100.0}, WakeReason.DEADLINE),
        ({"retry_at": 100.0}, WakeReason.RETRY),
        ({"retry_at": 100.0, "deadline": 200.0}, WakeReason.RETRY),
        ({"retry_at": 200.0, "deadline": 100.0}, WakeReason.DEADLINE),
        ({"slots_to_free": 2}, WakeReason.SLOTS),
        ({"record_within": 100.0}, WakeReason.RECORD),
        ({}, WakeReason.RECORD),
    ],
    ids=str,
)
def test_the_worker_is_woken_in_time_even_if_nothing_changes(
    scene: Scene, more: dict[str, Any], reason: WakeReason
) -> None:
    """At the very time that it names, and not a moment before."""
    at = {name: scene.now + more[name] for name in ("deadline", "retry_at") if name in more}
    rows = scene.sessions(2)
    rows[0].end("Completed", scene.now)
    task_wait = TaskWait(scene.wait_spec(rows, **more | at))
    task_wait.observe(Snapshot(scene.now, tuple(row.reported() for row in scene.platform.listed())))
    wake_at = task_wait.wake_at()
    assert wake_at is not None
    assert task_wait.wake(wake_at - 0.001) is None
    wake = task_wait.wake(wake_at)
    assert wake is not None
    assert wake.reason is reason


# An outage.


async def test_an_outage_ends_nothing_and_is_told_when_it_begins_and_ends_and_every_five_minutes(
    scene: Scene,
) -> None:
    row = scene.session()
    scene.platform.after(30, lambda: scene.outage_log("fetch", 60, ServiceBusy("503: in maintenance")))
    scene.ends(row, 60)
    wake, _ = await scene.wait([row])
    assert wake.reason is WakeReason.ENDED
    began, *goes_on, ended = [sentence for sentence in scene.told if "platform" in sentence]
    assert began.startswith("The platform is not responding; ")
    assert len(goes_on) == 60 * OUTAGE_INTERVAL // REPORT_EVERY - 1
    assert all(sentence.startswith("The platform has not responded for ") for sentence in goes_on)
    assert all("503: in maintenance" in sentence for sentence in (began, *goes_on))
    assert ended.startswith("The platform is responding again after ")


async def test_an_outage_does_not_count_as_lists_without_a_session(scene: Scene) -> None:
    row = scene.session()
    scene.outage_log("fetch", 20)
    scene.ends(row, 4000)
    await scene.wait([row])
    assert scene.platform.called("info") == []


async def test_the_deadline_passes_during_an_outage_too(scene: Scene) -> None:
    row = scene.session()
    scene.platform.after(30, lambda: scene.outage_log("fetch", 10**6))
    wake, after = await scene.wait([row], deadline=scene.now + 300, retry_at=scene.now + 60)
    assert wake.reason is WakeReason.DEADLINE
    assert 300 <= after <= 300 + OUTAGE_INTERVAL


async def test_in_an_outage_there_is_nothing_else_to_wake_a_worker_for(scene: Scene) -> None:
    rows = scene.sessions(2)
    scene.ends(rows[0], 0)
    scene.platform.after(10, lambda: scene.outage_log("fetch", 60))
    wake, after = await scene.wait(rows, retry_at=scene.now + 100)
    assert wake.reason is WakeReason.RETRY
    assert after > 1000


# What is told.


async def test_a_sentence_is_told_on_a_change_only(scene: Scene) -> None:
    row = scene.session(word="Pending")
    row.events = [Event(type="Normal", reason="Scheduled", message="assigned")]
    scene.platform.after(100, lambda: row.start(scene.now))
    scene.ends(row, 1000)
    await scene.wait([row])
    name = f"{row.name} {row.session_id}"
    assert scene.told == [f"{name}: Pending", f"{name}: Pending → Running", f"{name}: Running → Completed"]


async def test_of_several_replicas_the_progress_is_told_and_no_change_of_each(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    rows = scene.sessions(20)
    for number, row in enumerate(rows, 1):
        scene.ends(row, 20 * number, "Failed" if number == 3 else "Completed")
    caplog.set_level("DEBUG", "airflow_provider_canfar")
    await scene.wait(rows, progress={"states": "p" * 20}, since=scene.now)
    assert scene.told[0] == "2 of 20 done, 18 running, 0 waiting, 0 failed"
    assert scene.told[-1] == "20 of 20 done, 0 running, 0 waiting, 1 failed"
    assert all(" done, " in line for line in scene.told)
    assert len(scene.told) <= 10
    assert f"{rows[0].name} {rows[0].session_id}: Running → Completed" in caplog.messages


async def test_the_progress_is_written_when_it_has_changed_and_not_too_often(scene: Scene) -> None:
    rows = scene.sessions(20)
    for number, row in enumerate(rows[:10]):
        scene.ends(row, 4 * number)
    for row in rows[10:]:
        scene.ends(row, 2000)
    progress = {"states": "r" * 20, "since": scene.now, "try_number": 1}
    await scene.wait(rows, progress=progress, since=scene.now, record_within=3000)
    moments = [value["updated"] for value in scene.written]
    assert len(moments) == 5
    assert all(after - before >= XCOM_EVERY for before, after in pairwise(moments))
    assert scene.written[3]["map"] == "10s10r"
    assert scene.written[-1]["counts"] == {
        "waiting": 0,
        "pending": 0,
        "running": 0,
        "succeeded": 20,
        "failed": 0,
    }


async def test_a_quiet_minute_is_told_too(scene: Scene) -> None:
    rows = scene.sessions(2)
    for row in rows:
        scene.ends(row, 600)
    await scene.wait(rows, progress={"states": "rr"}, since=scene.now)
    quiet = "0 of 2 done, 2 running, 0 waiting, 0 failed"
    assert scene.told == [quiet] * 9 + ["2 of 2 done, 0 running, 0 waiting, 0 failed"]


async def test_new_lines_of_a_log_are_told_with_their_session(scene: Scene) -> None:
    row = scene.session()
    row.log = "one\n"
    scene.platform.after(100, lambda: setattr(row, "log", "one\ntwo\n"))
    scene.ends(row, 200)
    await scene.wait([row], logging_interval=30)
    lines = [sentence for sentence in scene.told if sentence.startswith(f"{row.name}: ")]
    assert lines == [f"{row.name}: one", f"{row.name}: two"]


async def test_no_more_of_a_log_is_shown_than_allowed(scene: Scene) -> None:
    row = scene.session()
    row.log = "one\n" * 10_000
    scene.platform.after(100, lambda: setattr(row, "log", row.log + "two\n" * 10_000))
    scene.ends(row, 200)
    wake, _ = await scene.wait([row], logging_interval=30, max_log_bytes=1000)
    lines = [sentence for sentence in scene.told if sentence.startswith(f"{row.name}: ")]
    texts = [line for line in lines if not line.startswith(f"{row.name}: (")]
    assert sum(len(line) + 1 for line in texts) <= 1000
    assert wake.reason is WakeReason.ENDED


async def test_a_log_that_cannot_be_had_now_is_told_later(scene: Scene) -> None:
    row = scene.session()
    row.log = "one\n"
    scene.outage_log("logs", 2)
    scene.ends(row, 200)
    wake, _ = await scene.wait([row], logging_interval=30)
    assert wake.reason is WakeReason.ENDED
    assert f"{row.name}: one" in scene.told


# Through JSON.

SECONDS = st.floats(0, 2e9)
WORDS = st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3)
WAITINGS = st.builds(
    WaitSpec,
    key=st.text(max_size=10),
    sessions=WORDS,
    slots_to_free=st.none() | st.integers(1, 100),
    retry_at=st.none() | SECONDS,
    failures_left=st.none() | st.integers(0, 100),
    deadline=st.none() | SECONDS,
    start_by=st.dictionaries(st.text(max_size=8), SECONDS, max_size=3),
    logging_interval=st.none() | SECONDS,
    max_logged_replicas=st.integers(1),
    max_log_bytes=st.none() | st.integers(0),
    progress=st.builds(
        Progress, st.text(".prsf"), since=SECONDS, kept=st.integers(0, 100), try_number=st.integers(0, 100)
    ).map(Progress.to_json),
    since=st.none() | SECONDS,
)
WAKES = st.builds(
    WakeEvent,
    reason=st.sampled_from(WakeReason),
    ended=WORDS,
    gone=st.lists(st.text(max_size=8), max_size=3).map(tuple),
    never_started=WORDS,
    message=st.text(),
    started=st.lists(st.text(max_size=8), max_size=3).map(tuple),
    permanent=st.lists(st.text(max_size=8), max_size=3).map(tuple),
    usage=st.dictionaries(
        st.text(max_size=8),
        st.builds(
            Usage, st.none() | SECONDS, st.none() | SECONDS, st.none() | SECONDS, st.integers(1), SECONDS
        ),
        max_size=3,
    ),
)


def through_json(data: dict[str, Any]) -> dict[str, Any]:
    read = json.loads(json.dumps(data))
    assert isinstance(read, dict)
    return read


@given(wait_spec=WAITINGS)
def test_what_is_waited_for_survives_the_way_through_json(wait_spec: WaitSpec) -> None:
    assert WaitSpec.from_json(through_json(wait_spec.to_json())) == wait_spec


def test_a_thousand_sessions_fit_into_a_trigger_s_arguments_on_every_database() -> None:
    """Airflow keeps them in a TEXT, which on MySQL is 64 kB."""
    identity = Identity("a-stem-as-long-as-they-may-be-", "k3v5x2qamd", 10)
    sessions = {f"s{number:07d}": str(identity.name(number, 12)) for number in range(1, 1001)}
    progress = Progress("p" * 1000, since=1_800_000_000.123, try_number=1).to_json()
    wait_spec = WaitSpec(
        "k3v5x2qamd", sessions, start_by=dict.fromkeys(sessions, 1_800_000_000.0), progress=progress
    )
    assert len(json.dumps(wait_spec.to_json())) < 60_000
    assert WaitSpec.from_json(through_json(wait_spec.to_json())) == wait_spec


@given(wake=WAKES)
def test_what_the_worker_is_told_survives_the_way_through_json(wake: WakeEvent) -> None:
    assert WakeEvent.from_json(through_json(wake.to_json())) == wake


@pytest.mark.parametrize(
    ("thing", "read"),
    [
        (WaitSpec("k", {"a": "b"}), WaitSpec.from_json),
        (WakeEvent(WakeReason.ENDED, {"a": "Completed"}, ("x",)), WakeEvent.from_json),
    ],
)
def test_what_another_release_has_written_is_read(
    thing: WaitSpec | WakeEvent, read: Callable[[dict[str, Any]], WaitSpec | WakeEvent]
) -> None:
    """It may have known of more, or of less."""
    assert read(thing.to_json() | {"invented_since": 1}) == thing
    data = thing.to_json()
    for unknown_yet in {
        "since",
        "logging_interval",
        "max_logged_replicas",
        "progress",
        "max_log_bytes",
        "start_by",
        "never_started",
        "message",
        "started",
        "permanent",
        "usage",
    } & data.keys():
        del data[unknown_yet]
    assert read(data) == thing


def test_a_wait_shows_no_more_of_a_log_than_its_task_may() -> None:
    spec = wait_spec_for(
        Batch(Identity("stars", "k3v5x2qamd", 0), 1, 1),
        None,
        Limits(),
        RunOptions(logging_interval=30.0, max_log_bytes=1000),
        retry_at=None,
        deadline=None,
        now=0.0,
    )
    assert (spec.logging_interval, spec.max_log_bytes) == (30.0, 1000)
