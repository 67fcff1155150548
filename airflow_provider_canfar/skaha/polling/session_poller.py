"""One poll of an account, shared by all subscribers in a process.

However many there are, the platform gets one request per interval. Each subscriber sees its own sessions
only, and only when one of them has changed or its wake time has come. A failed request says nothing about a
session: the next poll comes later, and the subscribers learn that the platform did not respond.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import asynccontextmanager
from contextvars import Context
from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.errors import AuthenticationError, RequestError
from airflow_provider_canfar.skaha.polling.backoff import FIRST_PAUSE, PollBackoff
from airflow_provider_canfar.skaha.polling.change_detector import ChangeDetector
from airflow_provider_canfar.skaha.polling.outage_log import REPORT_EVERY
from airflow_provider_canfar.skaha.polling.poll_measures import PollMeasures
from airflow_provider_canfar.skaha.polling.session_reader import ReauthOnce, SessionReader
from airflow_provider_canfar.skaha.polling.snapshot import Snapshot
from airflow_provider_canfar.skaha.polling.subscriptions import Subscription, SubscriptionIndex
from airflow_provider_canfar.skaha.polling.usage import UsageHistory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    from airflow_provider_canfar.skaha.client import SkahaClient
    from airflow_provider_canfar.skaha.http.retrying import Clock, Sleep
    from airflow_provider_canfar.skaha.polling.session_cache import Row

log = logging.getLogger(__name__)

#: Seconds for which the poll outlives its last subscriber: one may leave before the next comes.
GRACE_PERIOD = 10.0

#: The number of subscribers to wake before anything else on the event loop has its turn.
WAKE_BATCH = 100


class SessionPoller:
    """The shared poll of one account on one event loop.

    It starts with the first subscriber and ends with the last, after a short grace period. An error in one
    poll is passed to the subscribers, and the next poll follows. It runs in a context of its own, so that
    none of its log lines lands in the task log of the first subscriber.

    :param client: the platform; a client without retries (``retry_for=0``): the next poll is the retry. It is
        opened and closed here.
    :param renew: renews a refused credential, and returns whether there is another one now.
    :param on_end: called when the last subscriber has left.
    :param usage: keeps what sessions use; it may outlive this poller.
    :param clock: seconds since the epoch.
    """

    def __init__(
        self,
        client: SkahaClient,
        *,
        renew: Callable[[], Awaitable[bool]] | None = None,
        on_end: Callable[[], None] = lambda: None,
        usage: UsageHistory | None = None,
        clock: Clock = time.time,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.client = client
        self._on_end = on_end
        self._clock = clock
        self._sleep = sleep
        reauth = ReauthOnce(renew)
        self._reader = SessionReader(client, reauth)
        self._subscriptions = SubscriptionIndex()
        self._usage = usage or UsageHistory()
        self._detector = ChangeDetector(client, reauth, self._reader, self._subscriptions, self._usage)
        self._backoff = PollBackoff()
        self._measures = PollMeasures(client.metrics)
        self._task: asyncio.Task[None] | None = None
        self._wakeup = asyncio.Event()
        self._next_poll_at = 0.0
        self._sleeps_until = 0.0
        self._subscribed_at = 0.0
        self._unsubscribed_at = 0.0
        self._polled_at = 0.0
        self._responded_at: float | None = None
        self._failure_reported_at = 0.0
        self._fault: Exception | None = None
        self._new: set[Subscription] = set()
        self._past_wake_time: set[Subscription] = set()

    @asynccontextmanager
    async def subscribe(
        self,
        ids: Iterable[str] = (),
        *,
        key: str | None = None,
        choose: Callable[[Row], bool] | None = None,
        interval: float,
        soon: float = FIRST_PAUSE,
        wake_at: Callable[[], float | None] | None = None,
    ) -> AsyncIterator[Subscription]:
        """Subscribe to sessions.

        .. code-block:: python

            async with poller.subscribe(ids, interval=15.0) as subscription:
                async for snapshot in subscription:
                    ...

        :param ids: these.
        :param key: also those that have this key in their names, as a task's own have.
        :param choose: also those that it returns True for, of all that are listed; for choosing by name.
        :param interval: seconds between two polls, at most.
        :param soon: seconds until a second poll; the pauses after it double, up to the interval.
        :param wake_at: when to be woken even if nothing has changed, in seconds since the epoch; called
            before each wait.
        """
        subscription = Subscription(
            ids,
            key=key,
            choose=choose,
            interval=interval,
            wake_at=wake_at,
            reader=self._reader,
            usage=self._usage,
            next_snapshot=self._next_snapshot,
        )
        self._add(subscription, min(soon, interval))
        try:
            yield subscription
        finally:
            self._remove(subscription)

    def _add(self, subscription: Subscription, first_pause: float) -> None:
        self._subscribed_at = now = self._clock()
        self._subscriptions.add(subscription)
        self._new.add(subscription)
        # In an outage, a newcomer waits with the others: a thousand of them must not be a thousand requests.
        if self._fault is None:
            self._next_poll_at = min(self._next_poll_at, now + self._backoff.restart(first_pause))
        self._start()
        self._wakeup.set()

    def _remove(self, subscription: Subscription) -> None:
        self._subscriptions.remove(subscription)
        self._new.discard(subscription)
        self._past_wake_time.discard(subscription)
        self._unsubscribed_at = self._clock()
        if not self._subscriptions:
            self._wakeup.set()

    async def _next_snapshot(self, subscription: Subscription) -> Snapshot:
        """Wait until there is something to see for a subscriber, and return it.

        :raises AuthenticationError: if the platform refuses the credential.
        """
        self._start()
        self._schedule_wake(subscription)
        await subscription.wait()
        if subscription.error is not None:
            raise subscription.error
        by_poll, subscription.woken_by_poll = subscription.woken_by_poll, False
        if isinstance(self._fault, AuthenticationError):
            # One error for all: the tracebacks of all subscribers would otherwise pile up on it.
            raise self._fault.with_traceback(None)
        if self._fault is not None or not by_poll:
            at = self._polled_at if by_poll else self._clock()
            return Snapshot(at, fault=self._fault, is_complete=False)
        previous_at = None if subscription.is_new else subscription.previous_at
        subscription.is_new = False
        return Snapshot(
            self._polled_at,
            self._detector.sessions(subscription),
            is_complete=self._detector.is_complete,
            previous_at=previous_at,
        )

    def _schedule_wake(self, subscription: Subscription) -> None:
        at = subscription.wake_at() if subscription.wake_at else None
        if at is None:
            subscription.wake_time = None
        elif at > self._clock():
            self._subscriptions.set_wake_time(subscription, at)
            if at < self._sleeps_until:
                self._wakeup.set()
        else:
            # Its time has passed, and its sessions have not changed: the next poll may show a change.
            self._past_wake_time.add(subscription)

    def _start(self) -> None:
        """Start polling, unless it has started."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="canfar-poll", context=Context())
            self._task.add_done_callback(self._on_stopped)

    async def _run(self) -> None:
        while True:
            async with self.client:
                while await self._wait_for_next_poll():
                    await self._poll()
            # Closing takes a moment, in which a subscriber may have come.
            if not self._subscriptions:
                return

    def _on_stopped(self, task: asyncio.Task[None]) -> None:
        """Wake the subscribers if the poll has died; their next wait starts it again."""
        if task is not self._task:
            return
        self._measures.end()
        error = None if task.cancelled() else task.exception()
        if self._subscriptions:
            self._fault = RuntimeError(f"The poll of the platform was stopped: {error or 'cancelled'}.")
            for subscription in list(self._subscriptions.all):
                subscription.wake(by_poll=True)
        else:
            self._on_end()

    async def _wait_for_next_poll(self) -> bool:
        """Wait until the next poll is due, and return whether there are subscribers."""
        while True:
            due_at = self._next_poll_at if self._subscriptions else self._unsubscribed_at + GRACE_PERIOD
            now = self._clock()
            if now >= due_at:
                return bool(self._subscriptions)
            self._wakeup.clear()
            self._sleeps_until = min(due_at, self._subscriptions.next_wake_time)
            await self._sleep_or_wakeup(self._sleeps_until - now)
            await self._wake(self._subscriptions.pop_due(self._clock()), by_poll=False)

    async def _sleep_or_wakeup(self, seconds: float) -> None:
        """Sleep until the time is over, or subscriptions change."""
        sleep = asyncio.ensure_future(self._sleep(seconds))
        wakeup = asyncio.ensure_future(self._wakeup.wait())
        try:
            await asyncio.wait({sleep, wakeup}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            wakeup.cancel()

    async def _poll(self) -> None:
        """Poll once, and wake the affected subscribers. Any error is passed to them."""
        new, self._new = self._new, set()
        previous_at, began = self._responded_at, self._clock()
        try:
            affected = await self._detector.poll(began, self._subscribed_at)
        except Exception as error:  # noqa: BLE001 (passed to the subscribers, and the next poll follows)
            affected = self._handle_failure(error)
            self._measures.failure(self._polled_at)
        else:
            affected = self._handle_response(affected)
            waiting = len(self._subscriptions)
            self._measures.response(began, self._polled_at, size=self._detector.size, waiting=waiting)
        past_wake_time, self._past_wake_time = self._past_wake_time, set()
        await self._wake(affected | new | past_wake_time, by_poll=True, previous_at=previous_at)

    def _handle_response(self, affected: set[Subscription]) -> set[Subscription]:
        """Schedule the next poll; the first response after an outage affects every subscriber."""
        was_outage, self._fault = self._fault is not None, None
        self._responded_at = self._polled_at = self._clock()
        self._next_poll_at = self._polled_at + self._backoff.after_response(
            self._subscriptions.shortest_interval
        )
        self._reader.reset_limit()
        return set(self._subscriptions.all) if was_outage else affected

    def _handle_failure(self, error: Exception) -> set[Subscription]:
        """Schedule the next poll, and return whom to wake: every subscriber, from time to time."""
        if not isinstance(error, RequestError):
            log.error("Unexpected error while polling", exc_info=error)
        had_response, self._fault, self._polled_at = self._fault is None, error, self._clock()
        retry_after = getattr(error, "retry_after", None)
        self._next_poll_at = self._polled_at + self._backoff.after_failure(
            self._subscriptions.shortest_interval, retry_after
        )
        is_report_due = self._polled_at - self._failure_reported_at >= REPORT_EVERY
        if not (had_response or is_report_due or isinstance(error, AuthenticationError)):
            return set()
        self._failure_reported_at = self._polled_at
        return set(self._subscriptions.all)

    async def _wake(
        self, affected: Iterable[Subscription], *, by_poll: bool, previous_at: float | None = None
    ) -> None:
        for count, subscription in enumerate(list(affected), 1):
            subscription.wake(by_poll=by_poll, previous_at=previous_at)
            if count % WAKE_BATCH == 0:
                await asyncio.sleep(0)
