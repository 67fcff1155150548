"""One poll of an account, shared by all who wait."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from airflow_provider_canfar.skaha.client import SkahaClient
from airflow_provider_canfar.skaha.errors import (
    AuthenticationError,
    NotFound,
    Rejected,
    RequestError,
    ServerError,
    ServiceBusy,
    Unreachable,
)
from airflow_provider_canfar.skaha.polling import session_cache as listing_module
from airflow_provider_canfar.skaha.polling.backoff import JITTER, LONGEST_PAUSE
from airflow_provider_canfar.skaha.polling.outage_log import REPORT_EVERY
from airflow_provider_canfar.skaha.polling.session_cache import WHOLE_EVERY, WHOLE_SOON
from airflow_provider_canfar.skaha.polling.session_poller import GRACE, SessionPoller
from airflow_provider_canfar.skaha.polling.session_reader import READS_PER_LOOK
from tests.fake_platform import FakePlatform, Row
from tests.stepping_clock import SteppingClock, rest

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.polling.snapshot import Snapshot
    from airflow_provider_canfar.skaha.polling.subscriptions import Subscription

KEY = "k3v5x2qamd"
INTERVAL = 15.0


@dataclass
class Waiter:
    """One who waits, and what it has seen."""

    seen: list[Snapshot] = field(default_factory=list)
    error: BaseException | None = None
    subscription: Subscription | None = None

    @property
    def words(self) -> list[list[str]]:
        return [[session.status_word for session in snapshot.sessions] for snapshot in self.seen]

    @property
    def faults(self) -> list[Exception]:
        return [snapshot.fault for snapshot in self.seen if snapshot.fault is not None]


class Scene:
    """An account on a platform, its watch, and those who wait."""

    def __init__(self) -> None:
        self.time = SteppingClock()
        self.platform = FakePlatform(self.time)
        self.ends = 0
        self.renewals: list[bool] = []
        self.renewed = 0
        self.watch = SessionPoller(
            self.platform.client, renew=self._renew, on_end=self._end, clock=self.time, sleep=self.time.sleep
        )
        self._tasks: list[asyncio.Task[None]] = []

    def _end(self) -> None:
        self.ends += 1

    async def _renew(self) -> bool:
        self.renewed += 1
        await asyncio.sleep(0)
        return self.renewals.pop(0) if self.renewals else False

    def sessions(self, count: int, word: str = "Running") -> list[Row]:
        return [self.platform.add(f"stars-{KEY}-0-{number}-1", word) for number in range(1, count + 1)]

    def wait(self, rows: Iterable[Row] = (), **wanted: Any) -> tuple[Waiter, asyncio.Task[None]]:
        """Begin to wait for sessions."""
        waiter = Waiter()
        task = asyncio.create_task(self._wait(waiter, [row.session_id for row in rows], wanted))
        self._tasks.append(task)
        return waiter, task

    async def _wait(self, waiter: Waiter, ids: list[str], wanted: dict[str, Any]) -> None:
        react: Callable[[Snapshot], object] = wanted.pop("react", lambda snapshot: None)
        try:
            async with self.watch.subscribe(ids, **{"interval": INTERVAL, **wanted}) as subscription:
                waiter.subscription = subscription
                async for snapshot in subscription:
                    waiter.seen.append(snapshot)
                    react(snapshot)
        except BaseException as error:
            waiter.error = error
            raise

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.time.pass_(GRACE + 1)

    @property
    def requests(self) -> int:
        return len(self.platform.called("fetch"))

    def outage_log(self, count: int, error: Exception | None = None) -> None:
        self.platform.faults["fetch"] = [error or Unreachable("no answer")] * count  # type: ignore[list-item]  # a mistake of ours may be any exception


@pytest.fixture(name="scene")
async def _scene() -> AsyncIterator[Scene]:
    scene = Scene()
    yield scene
    await scene.close()


# Sharing, and pace.


async def test_a_thousand_who_wait_cost_one_request_per_interval(scene: Scene) -> None:
    for row in scene.sessions(1000):
        scene.wait([row])
    await scene.time.pass_(60)
    previous_at = scene.requests
    await scene.time.pass_(10 * INTERVAL * (1 + JITTER))
    assert 10 <= scene.requests - previous_at <= 11


async def test_looks_are_soon_at_first_and_then_once_per_interval(scene: Scene) -> None:
    scene.wait(scene.sessions(1))
    await scene.time.pass_(80)
    wanted = [1, 2, 4, 8, 15, 15, 15]
    assert all(
        want <= pause <= want * (1 + JITTER) for pause, want in zip(scene.time.slept, wanted, strict=False)
    )


async def test_the_first_look_does_not_wait_and_later_ones_wait_for_who_comes_as_long_as_it_wants(
    scene: Scene,
) -> None:
    rows = scene.sessions(2)
    first, _ = scene.wait(rows[:1])
    await rest()
    assert first.words == [["Running"]]
    await scene.time.pass_(100)
    second, _ = scene.wait(rows[1:], soon=5.0)
    await scene.time.pass_(4.9)
    previous_at = scene.requests
    await scene.time.pass_(0.2)
    assert (scene.requests, second.words) == (previous_at + 1, [["Running"]])


async def test_the_shortest_interval_sets_the_pace_for_as_long_as_its_owner_waits(scene: Scene) -> None:
    scene.wait(scene.sessions(1), interval=60.0)
    _, hasty = scene.wait(interval=5.0)
    await scene.time.pass_(60)
    previous_at = scene.requests
    await scene.time.pass_(60)
    assert 10 <= scene.requests - previous_at <= 12
    hasty.cancel()
    await scene.time.pass_(60)
    previous_at = scene.requests
    await scene.time.pass_(600)
    assert 9 <= scene.requests - previous_at <= 10


async def test_each_is_shown_its_own_sessions_and_only_when_they_change(scene: Scene) -> None:
    one, other = scene.sessions(2)
    scene.platform.add("my-notebook")
    mine, _ = scene.wait([one])
    theirs, _ = scene.wait([other])
    await scene.time.pass_(100)
    one.end("Completed", scene.time.now)
    await scene.time.pass_(100)
    assert mine.words == [["Running"], ["Completed"]]
    assert theirs.words == [["Running"]]


async def test_a_session_with_ones_key_is_shown_though_its_id_is_unknown(scene: Scene) -> None:
    """The answer to its create was lost, and it came late."""
    (row,) = scene.sessions(1)
    waiter, _ = scene.wait([row], key=KEY)
    await scene.time.pass_(100)
    scene.platform.add(f"stars-{KEY}-0-1-1", "Pending")
    scene.platform.add("stars-aaaaaaaaaa-0-1-1", "Pending")
    await scene.time.pass_(INTERVAL * 1.1)
    assert waiter.words == [["Running"], ["Running", "Pending"]]


async def test_who_chooses_by_name_is_shown_what_comes_to_match(scene: Scene) -> None:
    scene.platform.add("survey-1")
    waiter, _ = scene.wait(choose=lambda row: row.name.startswith("survey-"))
    await scene.time.pass_(100)
    scene.platform.add("survey-2", "Pending")
    scene.platform.add("other")
    await scene.time.pass_(100)
    assert waiter.words == [["Running"], ["Running", "Pending"]]


async def test_who_comes_in_an_outage_may_choose_when_it_is_over(scene: Scene) -> None:
    scene.platform.add("survey-1")
    scene.wait()
    await scene.time.pass_(60)
    scene.outage_log(3)
    await scene.time.pass_(INTERVAL * 1.1)
    waiter, _ = scene.wait(choose=lambda row: row.name.startswith("survey-"))
    await scene.time.pass_(300)
    assert waiter.words == [[], ["Running"]]


async def test_who_is_slow_sees_the_latest(scene: Scene) -> None:
    (row,) = scene.sessions(1)
    async with scene.watch.subscribe([row.session_id], interval=INTERVAL) as subscription:
        first = await anext(subscription)
        await scene.time.pass_(50)
        row.end("Failed", scene.time.now)
        await scene.time.pass_(50)
        second = await anext(subscription)
        assert [session.status_word for session in (*first.sessions, *second.sessions)] == [
            "Running",
            "Failed",
        ]
        assert second.previous_at is not None
        assert first.at < second.previous_at < second.at


async def test_news_are_no_older_than_the_look_before_and_first_ones_as_old_as_can_be(scene: Scene) -> None:
    one, other = scene.sessions(2)
    early, _ = scene.wait([one])
    await scene.time.pass_(200)
    late, _ = scene.wait([other])
    one.end("Completed", scene.time.now)
    await scene.time.pass_(INTERVAL)
    first, news = early.seen
    assert first.previous_at is None
    assert news.previous_at is not None
    assert news.at - INTERVAL * 1.2 <= news.previous_at < news.at
    assert [snapshot.previous_at for snapshot in late.seen] == [None]


# Time.


async def test_one_is_woken_when_its_time_has_come_though_nothing_has_changed(scene: Scene) -> None:
    at = scene.time.now + 107
    waiter, _ = scene.wait(scene.sessions(1), wake_at=lambda: at)
    await scene.time.pass_(106)
    assert len(waiter.seen) == 1
    await scene.time.pass_(1)
    assert waiter.seen[1].at == at
    assert (waiter.seen[1].sessions, waiter.seen[1].is_complete) == ((), False)


async def test_a_time_that_has_passed_is_told_with_each_look_and_no_more_often(scene: Scene) -> None:
    at = scene.time.now + 20
    waiter, _ = scene.wait(scene.sessions(1), wake_at=lambda: at)
    await scene.time.pass_(60)
    previous_at = (scene.requests, len(waiter.seen))
    await scene.time.pass_(600)
    assert len(waiter.seen) - previous_at[1] == scene.requests - previous_at[0] > 30


async def test_a_time_may_change_its_mind(scene: Scene) -> None:
    began = scene.time.now
    times = [began + 300, began + 50, None]
    rows = scene.sessions(1)
    waiter, _ = scene.wait(rows, wake_at=lambda: times.pop(0) if times else None)
    await scene.time.pass_(40)
    assert len(waiter.seen) == 1
    await scene.time.pass_(500)
    assert [round(snapshot.at - began) for snapshot in waiter.seen] == [0, 50]


async def test_those_who_have_left_leave_nothing_behind(scene: Scene) -> None:
    """Their deadlines may be days away."""
    rows, in_a_week = scene.sessions(1), scene.time.now + 7 * 86_400
    scene.wait(rows, wake_at=lambda: in_a_week)
    for _ in range(1000):
        _, task = scene.wait(rows, wake_at=lambda: in_a_week)
        await rest(2)
        task.cancel()
        await rest(2)
    assert len(scene.watch._subscriptions) == 1
    assert len(scene.watch._subscriptions._times) < 200


async def test_a_deadline_is_told_in_time_in_an_outage_too(scene: Scene) -> None:
    at = scene.time.now + 333
    waiter, _ = scene.wait(scene.sessions(1), wake_at=lambda: at)
    await scene.time.pass_(100)
    scene.outage_log(100)
    await scene.time.pass_(233)
    assert waiter.seen[-1].at == at
    assert isinstance(waiter.seen[-1].fault, Unreachable)


# An outage.


@pytest.mark.parametrize(
    "error",
    [Unreachable("x"), ServiceBusy("x"), ServerError("x"), Rejected("x")],
    ids=lambda error: type(error).__name__,
)
async def test_an_outage_is_told_to_everybody_when_it_begins_and_ends_and_every_five_minutes(
    scene: Scene, error: RequestError
) -> None:
    rows = scene.sessions(2)
    waiters = [scene.wait([row])[0] for row in rows]
    await scene.time.pass_(100)
    scene.outage_log(10**6, error)
    previous_at = scene.requests
    await scene.time.pass_(2 * REPORT_EVERY + LONGEST_PAUSE * 3)
    assert 11 <= scene.requests - previous_at <= 14
    scene.platform.faults.clear()
    await scene.time.pass_(LONGEST_PAUSE * 1.1)
    for waiter in waiters:
        assert waiter.words == [["Running"], [], [], [], ["Running"]]
        assert waiter.faults == [error] * 3


async def test_after_an_outage_an_end_may_be_as_old_as_the_outage(scene: Scene) -> None:
    (row,) = scene.sessions(1)
    waiter, _ = scene.wait([row])
    await scene.time.pass_(100)
    began = scene.time.now
    scene.outage_log(20)
    row.end("Completed", scene.time.now)
    await scene.time.pass_(3000)
    previous_at = waiter.seen[-1].previous_at
    assert previous_at is not None
    assert previous_at <= began


async def test_a_platform_that_says_when_to_come_back_is_heeded(scene: Scene) -> None:
    scene.wait(scene.sessions(1))
    await scene.time.pass_(60)
    scene.outage_log(1, ServiceBusy("503", retry_after=180))
    await scene.time.pass_(INTERVAL * 1.1)
    previous_at = scene.requests
    await scene.time.pass_(160)
    assert scene.requests == previous_at
    await scene.time.pass_(60)
    assert scene.requests > previous_at


async def test_who_comes_in_an_outage_asks_no_more_often(scene: Scene) -> None:
    rows = scene.sessions(500)
    scene.wait(rows[:1])
    await scene.time.pass_(60)
    scene.outage_log(10**6)
    await scene.time.pass_(300)
    previous_at = scene.requests
    latecomers = []
    for row in rows[1:]:
        latecomers.append(scene.wait([row])[0])
        await scene.time.pass_(1)
    assert scene.requests - previous_at <= 500 / LONGEST_PAUSE + 1
    assert all(waiter.faults for waiter in latecomers[:400])


async def test_a_mistake_in_one_look_is_told_and_the_next_look_goes_on(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    (row,) = scene.sessions(1)
    waiter, _ = scene.wait([row])
    await scene.time.pass_(100)
    mistake = ZeroDivisionError("a mistake of ours")
    scene.outage_log(1, mistake)
    await scene.time.pass_(INTERVAL * 1.1)
    assert waiter.faults == [mistake]
    assert "a mistake of ours" in caplog.text
    row.end("Completed", scene.time.now)
    await scene.time.pass_(LONGEST_PAUSE)
    assert waiter.words[-1] == ["Completed"]


# One does no harm to another.


async def test_of_a_thousand_one_is_cancelled_and_one_raises_and_the_others_notice_nothing(
    scene: Scene,
) -> None:
    rows = scene.sessions(1000)

    def fail(snapshot: Snapshot) -> None:
        raise ValueError("a mistake of one who waits")

    cancelled, task = scene.wait(rows[:1])
    broken, _ = scene.wait(rows[1:2], react=fail)
    others = [scene.wait([row])[0] for row in rows[2:]]
    await scene.time.pass_(30)
    task.cancel()
    await scene.time.pass_(30)
    for row in rows:
        row.end("Completed", scene.time.now)
    await scene.time.pass_(INTERVAL * 1.2)
    assert isinstance(cancelled.error, asyncio.CancelledError)
    assert isinstance(broken.error, ValueError)
    assert all(waiter.words == [["Running"], ["Completed"]] for waiter in others)
    assert all(waiter.error is None for waiter in others)


@pytest.mark.parametrize("function", ["choose", "wake_at"])
async def test_a_mistake_in_ones_own_function_is_ones_own(scene: Scene, function: str) -> None:
    rows = scene.sessions(1)

    def fail(*_: object) -> Any:
        raise KeyError("a mistake of one who waits")

    broken, _ = scene.wait(rows, **{function: fail})
    other, _ = scene.wait(rows)
    await scene.time.pass_(60)
    assert isinstance(broken.error, KeyError)
    assert other.words == [["Running"]]
    assert not other.faults


async def test_a_poll_that_has_died_is_told_and_begins_anew(scene: Scene) -> None:
    (row,) = scene.sessions(1)
    waiter, _ = scene.wait([row])
    await scene.time.pass_(60)
    (poll,) = [task for task in asyncio.all_tasks() if task.get_name() == "canfar-watch"]
    poll.cancel()
    await scene.time.pass_(INTERVAL * 1.1)
    (fault,) = waiter.faults
    assert "was stopped" in str(fault)
    row.end("Completed", scene.time.now)
    latecomer, _ = scene.wait([row])
    await scene.time.pass_(LONGEST_PAUSE)
    assert waiter.words[-1] == ["Completed"]
    assert latecomer.words == [["Completed"]]


async def test_the_poll_ends_with_the_last_who_waits_after_a_little_while(scene: Scene) -> None:
    rows = scene.sessions(1)
    _, task = scene.wait(rows)
    await scene.time.pass_(60)
    task.cancel()
    await scene.time.pass_(GRACE - 1)
    assert scene.ends == 0
    waiter, task = scene.wait(rows)
    await scene.time.pass_(60)
    assert waiter.words == [["Running"]]
    task.cancel()
    previous_at = scene.requests
    await scene.time.pass_(GRACE + 100)
    assert (scene.ends, scene.requests) == (1, previous_at)
    again, _ = scene.wait(rows)
    await scene.time.pass_(1)
    assert again.words == [["Running"]]


TASK_LOG = contextvars.ContextVar("task_log", default="no task's")


async def test_no_line_of_the_poll_lands_in_the_log_of_who_came_first(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow tells the lines of its triggers apart by a context variable."""
    seen = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append((record.name, TASK_LOG.get()))

    monkeypatch.setattr(logging.getLogger("airflow_provider_canfar"), "handlers", [Handler()])
    TASK_LOG.set("the first one's")
    scene.wait(scene.sessions(1))
    scene.outage_log(3, ZeroDivisionError("something to log"))
    await scene.time.pass_(60)
    assert seen == [("airflow_provider_canfar.skaha.polling.session_poller", "no task's")] * 3


# A credential that is refused.


async def test_a_refused_credential_is_fetched_afresh_once_for_all_and_nobody_notices(scene: Scene) -> None:
    scene.renewals = [True]
    waiters = [scene.wait([row])[0] for row in scene.sessions(100)]
    await scene.time.pass_(60)
    scene.outage_log(1, AuthenticationError("expired"))
    await scene.time.pass_(60)
    assert scene.renewed == 1
    assert all(waiter.words == [["Running"]] and waiter.error is None for waiter in waiters)


@pytest.mark.parametrize("another", [True, False])
async def test_a_credential_that_is_refused_still_is_told_to_all(scene: Scene, *, another: bool) -> None:
    scene.renewals = [another]
    waiters = [scene.wait([row])[0] for row in scene.sessions(100)]
    await scene.time.pass_(60)
    scene.outage_log(2, AuthenticationError("expired"))
    await scene.time.pass_(INTERVAL * 1.1)
    assert scene.renewed == 1
    assert all(isinstance(waiter.error, AuthenticationError) for waiter in waiters)


async def test_a_question_about_one_session_has_the_credential_fetched_afresh_too(scene: Scene) -> None:
    scene.renewals = [True]
    rows = scene.sessions(10)
    scene.platform.faults["logs"] = [AuthenticationError("expired")] * 10
    async with scene.watch.subscribe(interval=INTERVAL) as subscription:
        await anext(subscription)
        logs = await asyncio.gather(*(subscription.reads.logs(row.session_id) for row in rows))
    assert [log for answer in logs for log in answer.values()] == [""] * 10
    assert scene.renewed == 1


# What is gone, and questions about single sessions.


async def test_one_whose_session_a_list_omits_is_told_with_each_whole_list(scene: Scene) -> None:
    kept, lost = scene.sessions(2)
    waiter, _ = scene.wait([kept, lost])
    other, _ = scene.wait([kept])
    await scene.time.pass_(60)
    lost.vanish()
    previous_at = scene.requests
    await scene.time.pass_(5 * INTERVAL)
    assert len(waiter.seen) == 1 + scene.requests - previous_at >= 5
    assert all(snapshot.is_complete for snapshot in waiter.seen)
    assert len(other.seen) == 1


async def test_one_that_the_platform_itself_does_not_know_is_missed_no_more(scene: Scene) -> None:
    (lost,) = scene.sessions(1)
    waiter, _ = scene.wait([lost])
    await scene.time.pass_(60)
    lost.vanish()
    await scene.time.pass_(60)
    assert waiter.subscription is not None
    with pytest.raises(NotFound):
        await waiter.subscription.reads.info(lost.session_id)
    await scene.time.pass_(INTERVAL * 1.2)
    previous_at = len(waiter.seen)
    await scene.time.pass_(600)
    assert len(waiter.seen) == previous_at


async def test_one_that_has_ended_is_not_missed_when_the_platform_forgets_it(scene: Scene) -> None:
    (row,) = scene.sessions(1)
    waiter, _ = scene.wait([row])
    await scene.time.pass_(60)
    row.end("Completed", scene.time.now)
    await scene.time.pass_(60)
    row.vanish()
    await scene.time.pass_(600)
    assert waiter.words == [["Running"], ["Completed"]]


async def test_all_who_wait_ask_so_many_questions_about_single_sessions_between_two_looks(
    scene: Scene,
) -> None:
    rows = scene.sessions(2 * READS_PER_LOOK)
    async with scene.watch.subscribe(interval=INTERVAL) as subscription:
        await anext(subscription)
        for row in rows[:READS_PER_LOOK]:
            await subscription.reads.events(row.session_id)
        with pytest.raises(ServiceBusy):
            await subscription.reads.info(rows[-1].session_id)
        assert scene.platform.called("info") == []
        await scene.time.pass_(INTERVAL * 1.1)
        assert rows[-1].session_id in await subscription.reads.info(rows[-1].session_id)


# A large account.


@pytest.fixture(name="large")
def _large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every account be a large one."""
    monkeypatch.setattr(listing_module, "LARGE_LIST", 10)


@pytest.mark.usefixtures("large")
async def test_a_large_account_is_asked_for_what_has_ended_and_now_and_then_for_all(scene: Scene) -> None:
    (row,) = scene.sessions(1)
    waiter, _ = scene.wait([row])
    await scene.time.pass_(WHOLE_EVERY + INTERVAL)
    asked = scene.platform.called("fetch")
    assert asked[:3] == ["", "Completed", "Failed"]
    assert asked.count("") == 2
    assert asked.count("Completed") == asked.count("Failed") >= 8
    row.end("Failed", scene.time.now)
    await scene.time.pass_(INTERVAL * 1.2)
    assert waiter.words == [["Running"], ["Failed"]]
    assert [snapshot.is_complete for snapshot in waiter.seen] == [True, False]


@pytest.mark.usefixtures("large")
async def test_in_a_large_account_a_missing_session_is_looked_for_more_often(scene: Scene) -> None:
    kept, lost = scene.sessions(2)
    waiter, _ = scene.wait([kept, lost])
    lost.vanish()
    await scene.time.pass_(3 * WHOLE_SOON + INTERVAL)
    assert len(waiter.seen) >= 3
    assert all(snapshot.is_complete and len(snapshot.sessions) == 1 for snapshot in waiter.seen)


@pytest.mark.usefixtures("large")
async def test_in_a_large_account_who_comes_is_shown_everything_within_half_a_minute(scene: Scene) -> None:
    rows = scene.sessions(1)
    scene.wait(rows)
    await scene.time.pass_(WHOLE_SOON + 5)
    scene.wait(scene.sessions(1))
    await scene.time.pass_(INTERVAL)
    assert scene.platform.called("fetch").count("") == 2


# On the real client.


async def test_the_client_lists_by_status_and_hands_over_what_came() -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url.query, "ascii"))
        return httpx.Response(200, text="[]")

    from airflow_provider_canfar.skaha.credentials import Token

    url = "https://skaha.test/skaha/v1"
    async with SkahaClient(url, Token("a-token"), transport=httpx.MockTransport(answer)) as client:
        assert await client.poll(lambda answer: answer.body) == b"[]"
        assert await client.poll(lambda answer: answer.status, "Failed (BackoffLimitExceeded)") == 200
    assert asked == ["", "status=Failed+%28BackoffLimitExceeded%29"]
