"""One poll of an account, shared by all subscribers."""

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
from airflow_provider_canfar.skaha.metrics import Metric
from airflow_provider_canfar.skaha.polling import session_cache
from airflow_provider_canfar.skaha.polling.backoff import JITTER, MAX_OUTAGE_PAUSE
from airflow_provider_canfar.skaha.polling.outage_log import REPORT_EVERY
from airflow_provider_canfar.skaha.polling.session_cache import FULL_LIST_INTERVAL, URGENT_FULL_LIST_INTERVAL
from airflow_provider_canfar.skaha.polling.session_poller import GRACE_PERIOD, SessionPoller
from airflow_provider_canfar.skaha.polling.session_reader import LOGS_PER_POLL, REQUESTS_PER_POLL
from tests.fake_platform import FakePlatform, Row
from tests.stepping_clock import SteppingClock, rest

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.polling.snapshot import Snapshot
    from airflow_provider_canfar.skaha.polling.subscriptions import Subscription

KEY = "k3v5x2qamd"
INTERVAL = 15.0


@dataclass
class Subscriber:
    """A subscriber, and the snapshots that it has seen."""

    snapshots: list[Snapshot] = field(default_factory=list)
    error: BaseException | None = None
    subscription: Subscription | None = None

    @property
    def statuses(self) -> list[list[str]]:
        return [[session.status_word for session in snapshot.sessions] for snapshot in self.snapshots]

    @property
    def faults(self) -> list[Exception]:
        return [snapshot.fault for snapshot in self.snapshots if snapshot.fault is not None]


class Scene:
    """An account on a platform, its poller, and the subscribers."""

    def __init__(self) -> None:
        self.time = SteppingClock()
        self.platform = FakePlatform(self.time)
        self.ended = 0
        self.renewals: list[bool] = []
        self.renewed = 0
        self.poller = SessionPoller(
            self.platform.client, renew=self._renew, on_end=self._end, clock=self.time, sleep=self.time.sleep
        )
        self._tasks: list[asyncio.Task[None]] = []

    def _end(self) -> None:
        self.ended += 1

    async def _renew(self) -> bool:
        self.renewed += 1
        await asyncio.sleep(0)
        return self.renewals.pop(0) if self.renewals else False

    def sessions(self, count: int, word: str = "Running") -> list[Row]:
        return [self.platform.add(f"stars-{KEY}-0-{number}-1", word) for number in range(1, count + 1)]

    def subscribe(self, rows: Iterable[Row] = (), **options: Any) -> tuple[Subscriber, asyncio.Task[None]]:
        """Subscribe to sessions."""
        subscriber = Subscriber()
        task = asyncio.create_task(self._run(subscriber, [row.session_id for row in rows], options))
        self._tasks.append(task)
        return subscriber, task

    async def _run(self, subscriber: Subscriber, ids: list[str], options: dict[str, Any]) -> None:
        react: Callable[[Snapshot], object] = options.pop("react", lambda snapshot: None)
        try:
            async with self.poller.subscribe(ids, **{"interval": INTERVAL, **options}) as subscription:
                subscriber.subscription = subscription
                async for snapshot in subscription:
                    subscriber.snapshots.append(snapshot)
                    react(snapshot)
        except BaseException as error:
            subscriber.error = error
            raise

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.time.pass_(GRACE_PERIOD + 1)

    @property
    def requests(self) -> int:
        return len(self.platform.called("fetch"))

    def fail(self, count: int, error: Exception | None = None) -> None:
        self.platform.faults["fetch"] = [error or Unreachable("no response")] * count  # type: ignore[list-item]  # A bug may be any exception.


@pytest.fixture(name="scene")
async def _scene() -> AsyncIterator[Scene]:
    scene = Scene()
    yield scene
    await scene.close()


# Sharing, and intervals.


async def test_a_thousand_subscribers_cost_one_request_per_interval(scene: Scene) -> None:
    for row in scene.sessions(1000):
        scene.subscribe([row])
    await scene.time.pass_(60)
    requests = scene.requests
    await scene.time.pass_(10 * INTERVAL * (1 + JITTER))
    assert 10 <= scene.requests - requests <= 11


async def test_polls_are_frequent_at_first_and_then_once_per_interval(scene: Scene) -> None:
    scene.subscribe(scene.sessions(1))
    await scene.time.pass_(80)
    expected = [1, 2, 4, 8, 15, 15, 15]
    assert all(
        least <= pause <= least * (1 + JITTER)
        for pause, least in zip(scene.time.slept, expected, strict=False)
    )


async def test_the_first_poll_is_immediate_and_a_later_subscriber_waits_as_long_as_it_wants(
    scene: Scene,
) -> None:
    rows = scene.sessions(2)
    first, _ = scene.subscribe(rows[:1])
    await rest()
    assert first.statuses == [["Running"]]
    await scene.time.pass_(100)
    second, _ = scene.subscribe(rows[1:], soon=5.0)
    await scene.time.pass_(4.9)
    requests = scene.requests
    await scene.time.pass_(0.2)
    assert (scene.requests, second.statuses) == (requests + 1, [["Running"]])


async def test_the_shortest_interval_of_all_subscribers_sets_the_pace(scene: Scene) -> None:
    scene.subscribe(scene.sessions(1), interval=60.0)
    _, hasty = scene.subscribe(interval=5.0)
    await scene.time.pass_(60)
    requests = scene.requests
    await scene.time.pass_(60)
    assert 10 <= scene.requests - requests <= 12
    hasty.cancel()
    await scene.time.pass_(60)
    requests = scene.requests
    await scene.time.pass_(600)
    assert 9 <= scene.requests - requests <= 10


async def test_a_subscriber_sees_its_own_sessions_only_when_they_change(scene: Scene) -> None:
    one, other = scene.sessions(2)
    scene.platform.add("my-notebook")
    mine, _ = scene.subscribe([one])
    theirs, _ = scene.subscribe([other])
    await scene.time.pass_(100)
    one.end("Completed", scene.time.now)
    await scene.time.pass_(100)
    assert mine.statuses == [["Running"], ["Completed"]]
    assert theirs.statuses == [["Running"]]


async def test_a_subscriber_sees_sessions_with_its_key_without_their_ids(scene: Scene) -> None:
    """The response to its create was lost, and the session came late."""
    (row,) = scene.sessions(1)
    subscriber, _ = scene.subscribe([row], key=KEY)
    await scene.time.pass_(100)
    scene.platform.add(f"stars-{KEY}-0-1-1", "Pending")
    scene.platform.add("stars-aaaaaaaaaa-0-1-1", "Pending")
    await scene.time.pass_(INTERVAL * 1.1)
    assert subscriber.statuses == [["Running"], ["Running", "Pending"]]


async def test_a_subscriber_that_chooses_by_name_sees_new_sessions_that_match(scene: Scene) -> None:
    scene.platform.add("survey-1")
    subscriber, _ = scene.subscribe(choose=lambda row: row.name.startswith("survey-"))
    await scene.time.pass_(100)
    scene.platform.add("survey-2", "Pending")
    scene.platform.add("other")
    await scene.time.pass_(100)
    assert subscriber.statuses == [["Running"], ["Running", "Pending"]]


async def test_a_new_subscriber_in_an_outage_may_choose_when_it_is_over(scene: Scene) -> None:
    scene.platform.add("survey-1")
    scene.subscribe()
    await scene.time.pass_(60)
    scene.fail(3)
    await scene.time.pass_(INTERVAL * 1.1)
    subscriber, _ = scene.subscribe(choose=lambda row: row.name.startswith("survey-"))
    await scene.time.pass_(300)
    assert subscriber.statuses == [[], ["Running"]]


async def test_a_slow_subscriber_sees_the_latest_state(scene: Scene) -> None:
    (row,) = scene.sessions(1)
    async with scene.poller.subscribe([row.session_id], interval=INTERVAL) as subscription:
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


async def test_a_change_is_not_older_than_the_poll_before_it(scene: Scene) -> None:
    one, other = scene.sessions(2)
    early, _ = scene.subscribe([one])
    await scene.time.pass_(200)
    late, _ = scene.subscribe([other])
    one.end("Completed", scene.time.now)
    await scene.time.pass_(INTERVAL)
    first, change = early.snapshots
    assert first.previous_at is None
    assert change.previous_at is not None
    assert change.at - INTERVAL * 1.2 <= change.previous_at < change.at
    assert [snapshot.previous_at for snapshot in late.snapshots] == [None]


# Wake times.


async def test_a_subscriber_is_woken_at_its_wake_time_without_a_change(scene: Scene) -> None:
    at = scene.time.now + 107
    subscriber, _ = scene.subscribe(scene.sessions(1), wake_at=lambda: at)
    await scene.time.pass_(106)
    assert len(subscriber.snapshots) == 1
    await scene.time.pass_(1)
    assert subscriber.snapshots[1].at == at
    assert (subscriber.snapshots[1].sessions, subscriber.snapshots[1].is_complete) == ((), False)


async def test_a_subscriber_past_its_wake_time_is_woken_by_each_poll_and_no_more_often(scene: Scene) -> None:
    at = scene.time.now + 20
    subscriber, _ = scene.subscribe(scene.sessions(1), wake_at=lambda: at)
    await scene.time.pass_(60)
    requests, snapshots = scene.requests, len(subscriber.snapshots)
    await scene.time.pass_(600)
    assert len(subscriber.snapshots) - snapshots == scene.requests - requests > 30


async def test_a_wake_time_may_change(scene: Scene) -> None:
    began = scene.time.now
    times = [began + 300, began + 50, None]
    rows = scene.sessions(1)
    subscriber, _ = scene.subscribe(rows, wake_at=lambda: times.pop(0) if times else None)
    await scene.time.pass_(40)
    assert len(subscriber.snapshots) == 1
    await scene.time.pass_(500)
    assert [round(snapshot.at - began) for snapshot in subscriber.snapshots] == [0, 50]


async def test_subscribers_that_have_left_leave_nothing_behind(scene: Scene) -> None:
    """Their deadlines may be days away."""
    rows, in_a_week = scene.sessions(1), scene.time.now + 7 * 86_400
    scene.subscribe(rows, wake_at=lambda: in_a_week)
    for _ in range(1000):
        _, task = scene.subscribe(rows, wake_at=lambda: in_a_week)
        await rest(2)
        task.cancel()
        await rest(2)
    assert len(scene.poller._subscriptions) == 1
    assert len(scene.poller._subscriptions._wake_times) < 200


async def test_a_deadline_wakes_its_subscriber_during_an_outage_too(scene: Scene) -> None:
    at = scene.time.now + 333
    subscriber, _ = scene.subscribe(scene.sessions(1), wake_at=lambda: at)
    await scene.time.pass_(100)
    scene.fail(100)
    await scene.time.pass_(233)
    assert subscriber.snapshots[-1].at == at
    assert isinstance(subscriber.snapshots[-1].fault, Unreachable)


# An outage.


@pytest.mark.parametrize(
    "error",
    [Unreachable("x"), ServiceBusy("x"), ServerError("x"), Rejected("x")],
    ids=lambda error: type(error).__name__,
)
async def test_all_subscribers_see_an_outage_when_it_begins_and_ends_and_every_five_minutes(
    scene: Scene, error: RequestError
) -> None:
    rows = scene.sessions(2)
    subscribers = [scene.subscribe([row])[0] for row in rows]
    await scene.time.pass_(100)
    scene.fail(10**6, error)
    requests = scene.requests
    await scene.time.pass_(2 * REPORT_EVERY + MAX_OUTAGE_PAUSE * 3)
    assert 11 <= scene.requests - requests <= 14
    scene.platform.faults.clear()
    await scene.time.pass_(MAX_OUTAGE_PAUSE * 1.1)
    for subscriber in subscribers:
        assert subscriber.statuses == [["Running"], [], [], [], ["Running"]]
        assert subscriber.faults == [error] * 3


async def test_after_an_outage_an_end_may_be_as_old_as_the_outage(scene: Scene) -> None:
    (row,) = scene.sessions(1)
    subscriber, _ = scene.subscribe([row])
    await scene.time.pass_(100)
    began = scene.time.now
    scene.fail(20)
    row.end("Completed", scene.time.now)
    await scene.time.pass_(3000)
    previous_at = subscriber.snapshots[-1].previous_at
    assert previous_at is not None
    assert previous_at <= began


async def test_the_poll_honours_retry_after(scene: Scene) -> None:
    scene.subscribe(scene.sessions(1))
    await scene.time.pass_(60)
    scene.fail(1, ServiceBusy("503", retry_after=180))
    await scene.time.pass_(INTERVAL * 1.1)
    requests = scene.requests
    await scene.time.pass_(160)
    assert scene.requests == requests
    await scene.time.pass_(60)
    assert scene.requests > requests


async def test_new_subscribers_in_an_outage_cause_no_more_requests(scene: Scene) -> None:
    rows = scene.sessions(500)
    scene.subscribe(rows[:1])
    await scene.time.pass_(60)
    scene.fail(10**6)
    await scene.time.pass_(300)
    requests = scene.requests
    latecomers = []
    for row in rows[1:]:
        latecomers.append(scene.subscribe([row])[0])
        await scene.time.pass_(1)
    assert scene.requests - requests <= 500 / MAX_OUTAGE_PAUSE + 1
    assert all(subscriber.faults for subscriber in latecomers[:400])


async def test_an_unexpected_error_in_one_poll_is_reported_and_the_next_poll_follows(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    (row,) = scene.sessions(1)
    subscriber, _ = scene.subscribe([row])
    await scene.time.pass_(100)
    bug = ZeroDivisionError("a bug of ours")
    scene.fail(1, bug)
    await scene.time.pass_(INTERVAL * 1.1)
    assert subscriber.faults == [bug]
    assert "a bug of ours" in caplog.text
    row.end("Completed", scene.time.now)
    await scene.time.pass_(MAX_OUTAGE_PAUSE)
    assert subscriber.statuses[-1] == ["Completed"]


# Subscribers do not affect each other.


async def test_a_cancelled_and_a_failed_subscriber_do_not_affect_a_thousand_others(
    scene: Scene,
) -> None:
    rows = scene.sessions(1000)

    def fail(snapshot: Snapshot) -> None:
        raise ValueError("a bug of a subscriber")

    cancelled, task = scene.subscribe(rows[:1])
    broken, _ = scene.subscribe(rows[1:2], react=fail)
    others = [scene.subscribe([row])[0] for row in rows[2:]]
    await scene.time.pass_(30)
    task.cancel()
    await scene.time.pass_(30)
    for row in rows:
        row.end("Completed", scene.time.now)
    await scene.time.pass_(INTERVAL * 1.2)
    assert isinstance(cancelled.error, asyncio.CancelledError)
    assert isinstance(broken.error, ValueError)
    assert all(subscriber.statuses == [["Running"], ["Completed"]] for subscriber in others)
    assert all(subscriber.error is None for subscriber in others)


@pytest.mark.parametrize("function", ["choose", "wake_at"])
async def test_an_error_in_a_subscribers_own_function_is_its_own(scene: Scene, function: str) -> None:
    rows = scene.sessions(1)

    def fail(*_: object) -> Any:
        raise KeyError("a bug of a subscriber")

    broken, _ = scene.subscribe(rows, **{function: fail})
    other, _ = scene.subscribe(rows)
    await scene.time.pass_(60)
    assert isinstance(broken.error, KeyError)
    assert other.statuses == [["Running"]]
    assert not other.faults


async def test_a_stopped_poll_is_reported_and_starts_again(scene: Scene) -> None:
    (row,) = scene.sessions(1)
    subscriber, _ = scene.subscribe([row])
    await scene.time.pass_(60)
    (poll,) = [task for task in asyncio.all_tasks() if task.get_name() == "canfar-poll"]
    poll.cancel()
    await scene.time.pass_(INTERVAL * 1.1)
    (fault,) = subscriber.faults
    assert "was stopped" in str(fault)
    row.end("Completed", scene.time.now)
    latecomer, _ = scene.subscribe([row])
    await scene.time.pass_(MAX_OUTAGE_PAUSE)
    assert subscriber.statuses[-1] == ["Completed"]
    assert latecomer.statuses == [["Completed"]]


async def test_the_poll_ends_after_its_last_subscriber_and_a_grace_period(scene: Scene) -> None:
    rows = scene.sessions(1)
    _, task = scene.subscribe(rows)
    await scene.time.pass_(60)
    task.cancel()
    await scene.time.pass_(GRACE_PERIOD - 1)
    assert scene.ended == 0
    subscriber, task = scene.subscribe(rows)
    await scene.time.pass_(60)
    assert subscriber.statuses == [["Running"]]
    task.cancel()
    requests = scene.requests
    await scene.time.pass_(GRACE_PERIOD + 100)
    assert (scene.ended, scene.requests) == (1, requests)
    again, _ = scene.subscribe(rows)
    await scene.time.pass_(1)
    assert again.statuses == [["Running"]]


TASK_LOG = contextvars.ContextVar("task_log", default="no task's")


async def test_no_log_line_of_the_poll_lands_in_the_task_log_of_the_first_subscriber(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow attributes the lines of its triggers by a context variable."""
    lines = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append((record.name, TASK_LOG.get()))

    monkeypatch.setattr(logging.getLogger("airflow_provider_canfar"), "handlers", [Handler()])
    TASK_LOG.set("the first subscriber's")
    scene.subscribe(scene.sessions(1))
    scene.fail(3, ZeroDivisionError("something to log"))
    await scene.time.pass_(60)
    assert lines == [("airflow_provider_canfar.skaha.polling.session_poller", "no task's")] * 3


# A credential that is refused.


async def test_a_refused_credential_is_renewed_once_and_no_subscriber_notices(scene: Scene) -> None:
    scene.renewals = [True]
    subscribers = [scene.subscribe([row])[0] for row in scene.sessions(100)]
    await scene.time.pass_(60)
    scene.fail(1, AuthenticationError("expired"))
    await scene.time.pass_(60)
    assert scene.renewed == 1
    assert all(
        subscriber.statuses == [["Running"]] and subscriber.error is None for subscriber in subscribers
    )


@pytest.mark.parametrize("another", [True, False])
async def test_a_credential_that_is_still_refused_fails_all_subscribers(
    scene: Scene, *, another: bool
) -> None:
    scene.renewals = [another]
    subscribers = [scene.subscribe([row])[0] for row in scene.sessions(100)]
    await scene.time.pass_(60)
    scene.fail(2, AuthenticationError("expired"))
    await scene.time.pass_(INTERVAL * 1.1)
    assert scene.renewed == 1
    assert all(isinstance(subscriber.error, AuthenticationError) for subscriber in subscribers)


async def test_what_sessions_use_is_kept_and_wakes_nobody(scene: Scene) -> None:
    (row,) = scene.sessions(1)
    subscriber, _ = scene.subscribe([row])
    await scene.time.pass_(60)
    snapshots = len(subscriber.snapshots)
    for ram in ("1.5", "15.6", "2.1"):
        row.usage = {"ramInUse": ram, "cpuCoresInUse": "0.5"}
        await scene.time.pass_(INTERVAL)
    assert len(subscriber.snapshots) == snapshots
    assert subscriber.subscription is not None
    (usage,) = subscriber.subscription.usage.of({row.session_id: 0.0}).values()
    assert (usage.ram, usage.last_ram, usage.cores) == (15.6, 2.1, 0.5)


async def test_logs_leave_room_for_requests_that_tell_whether_a_session_exists(scene: Scene) -> None:
    rows = scene.sessions(LOGS_PER_POLL + 1)
    async with scene.poller.subscribe(interval=INTERVAL) as subscription:
        await anext(subscription)
        for row in rows[:LOGS_PER_POLL]:
            await subscription.reader.logs(row.session_id)
        with pytest.raises(ServiceBusy, match="Too many logs"):
            await subscription.reader.logs(rows[-1].session_id)
        assert await subscription.reader.info(rows[-1].session_id)


async def test_a_request_about_one_session_renews_a_refused_credential_too(scene: Scene) -> None:
    scene.renewals = [True]
    rows = scene.sessions(LOGS_PER_POLL)
    scene.platform.faults["logs"] = [AuthenticationError("expired")] * LOGS_PER_POLL
    async with scene.poller.subscribe(interval=INTERVAL) as subscription:
        await anext(subscription)
        logs = await asyncio.gather(*(subscription.reader.logs(row.session_id) for row in rows))
    assert [log for result in logs for log in result.values()] == [""] * LOGS_PER_POLL
    assert scene.renewed == 1


# Missing sessions, and requests about single sessions.


async def test_a_subscriber_is_woken_by_each_full_list_that_omits_its_session(scene: Scene) -> None:
    kept, lost = scene.sessions(2)
    subscriber, _ = scene.subscribe([kept, lost])
    other, _ = scene.subscribe([kept])
    await scene.time.pass_(60)
    lost.vanish()
    requests = scene.requests
    await scene.time.pass_(5 * INTERVAL)
    assert len(subscriber.snapshots) == 1 + scene.requests - requests >= 5
    assert all(snapshot.is_complete for snapshot in subscriber.snapshots)
    assert len(other.snapshots) == 1


async def test_a_session_that_the_platform_does_not_know_is_no_longer_missing(scene: Scene) -> None:
    (lost,) = scene.sessions(1)
    subscriber, _ = scene.subscribe([lost])
    await scene.time.pass_(60)
    lost.vanish()
    await scene.time.pass_(60)
    assert subscriber.subscription is not None
    with pytest.raises(NotFound):
        await subscriber.subscription.reader.info(lost.session_id)
    await scene.time.pass_(INTERVAL * 1.2)
    snapshots = len(subscriber.snapshots)
    await scene.time.pass_(600)
    assert len(subscriber.snapshots) == snapshots


async def test_an_ended_session_is_not_missing_when_the_platform_forgets_it(scene: Scene) -> None:
    (row,) = scene.sessions(1)
    subscriber, _ = scene.subscribe([row])
    await scene.time.pass_(60)
    row.end("Completed", scene.time.now)
    await scene.time.pass_(60)
    row.vanish()
    await scene.time.pass_(600)
    assert subscriber.statuses == [["Running"], ["Completed"]]


async def test_subscribers_share_a_limit_of_requests_about_single_sessions_between_two_polls(
    scene: Scene,
) -> None:
    rows = scene.sessions(2 * REQUESTS_PER_POLL)
    async with scene.poller.subscribe(interval=INTERVAL) as subscription:
        await anext(subscription)
        for row in rows[:REQUESTS_PER_POLL]:
            await subscription.reader.events(row.session_id)
        with pytest.raises(ServiceBusy):
            await subscription.reader.info(rows[-1].session_id)
        assert scene.platform.called("info") == []
        await scene.time.pass_(INTERVAL * 1.1)
        assert rows[-1].session_id in await subscription.reader.info(rows[-1].session_id)


# A large account.


@pytest.fixture(name="large")
def _large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every account a large one."""
    monkeypatch.setattr(session_cache, "LARGE_LIST_BYTES", 10)


@pytest.mark.usefixtures("large")
async def test_a_large_account_is_polled_for_ended_sessions_and_now_and_then_for_all(scene: Scene) -> None:
    (row,) = scene.sessions(1)
    subscriber, _ = scene.subscribe([row])
    await scene.time.pass_(FULL_LIST_INTERVAL + INTERVAL)
    queries = scene.platform.called("fetch")
    assert queries[:3] == ["", "Completed", "Failed"]
    assert queries.count("") == 2
    assert queries.count("Completed") == queries.count("Failed") >= 8
    row.end("Failed", scene.time.now)
    await scene.time.pass_(INTERVAL * 1.2)
    assert subscriber.statuses == [["Running"], ["Failed"]]
    assert [snapshot.is_complete for snapshot in subscriber.snapshots] == [True, False]


@pytest.mark.usefixtures("large")
async def test_a_large_account_is_listed_more_often_while_a_session_is_missing(scene: Scene) -> None:
    kept, lost = scene.sessions(2)
    subscriber, _ = scene.subscribe([kept, lost])
    lost.vanish()
    await scene.time.pass_(3 * URGENT_FULL_LIST_INTERVAL + INTERVAL)
    assert len(subscriber.snapshots) >= 3
    assert all(snapshot.is_complete and len(snapshot.sessions) == 1 for snapshot in subscriber.snapshots)


@pytest.mark.usefixtures("large")
async def test_a_new_subscriber_to_a_large_account_sees_a_full_list_within_half_a_minute(
    scene: Scene,
) -> None:
    rows = scene.sessions(1)
    scene.subscribe(rows)
    await scene.time.pass_(URGENT_FULL_LIST_INTERVAL + 5)
    scene.subscribe(scene.sessions(1))
    await scene.time.pass_(INTERVAL)
    assert scene.platform.called("fetch").count("") == 2


# On the real client.


async def test_the_client_lists_by_status_and_passes_the_response_on() -> None:
    queries = []

    def respond(request: httpx.Request) -> httpx.Response:
        queries.append(str(request.url.query, "ascii"))
        return httpx.Response(200, text="[]")

    from airflow_provider_canfar.skaha.credentials import Token

    url = "https://skaha.test/skaha/v1"
    async with SkahaClient(url, Token("a-token"), transport=httpx.MockTransport(respond)) as client:
        assert await client.poll(lambda response: response.body) == b"[]"
        assert await client.poll(lambda response: response.status, "Failed (BackoffLimitExceeded)") == 200
    assert queries == ["", "status=Failed+%28BackoffLimitExceeded%29"]


# Metrics.


async def test_each_poll_is_counted_with_its_bytes_and_the_subscribers_that_waited(scene: Scene) -> None:
    rows = scene.sessions(3)
    scene.subscribe(rows)
    scene.subscribe(rows)
    await scene.time.pass_(INTERVAL)
    sent = scene.platform.metrics
    assert sent.total(Metric.POLLS_SUCCEEDED) == scene.requests >= 2
    assert all(size > 100 for size in sent.values[Metric.POLL_BYTES])
    assert len(sent.values[Metric.POLL_DURATION]) == scene.requests
    assert set(sent.values[Metric.WAITING]) == {2}
    assert sent.total(Metric.POLLS_FAILED) == 0


async def test_nobody_is_waiting_after_the_last_subscriber_has_left(scene: Scene) -> None:
    _, task = scene.subscribe(scene.sessions(1))
    await scene.time.pass_(INTERVAL)
    task.cancel()
    await scene.time.pass_(GRACE_PERIOD + 1)
    assert scene.platform.metrics.values[Metric.WAITING][-1] == 0


async def test_an_outage_is_counted_once_and_its_length_when_it_is_over(scene: Scene) -> None:
    scene.subscribe(scene.sessions(1))
    await scene.time.pass_(INTERVAL)
    scene.fail(3)
    await scene.time.pass_(10 * MAX_OUTAGE_PAUSE)
    sent = scene.platform.metrics
    assert (sent.total(Metric.OUTAGES_STARTED), sent.total(Metric.POLLS_FAILED)) == (1, 3)
    (length,) = sent.values[Metric.OUTAGE_DURATION]
    assert length >= INTERVAL
