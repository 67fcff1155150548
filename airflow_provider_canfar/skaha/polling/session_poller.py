"""One poll of an account, shared by all who wait in a process.

However many wait, the platform is asked once per interval. Each who waits is shown its own sessions only, and
only when something of its own has changed or its time has come. A request that fails says nothing about a
session: the look after it comes later, and whoever waits is told that there was no answer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import asynccontextmanager
from contextvars import Context
from functools import partial
from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.errors import AuthenticationError, RequestError
from airflow_provider_canfar.skaha.polling.backoff import FIRST_PAUSE, PollBackoff
from airflow_provider_canfar.skaha.polling.outage_log import REPORT_EVERY
from airflow_provider_canfar.skaha.polling.session_cache import FULL_LIST, SessionCache
from airflow_provider_canfar.skaha.polling.session_reader import ReauthOnce, SessionReader
from airflow_provider_canfar.skaha.polling.snapshot import Snapshot
from airflow_provider_canfar.skaha.polling.subscriptions import Subscription, SubscriptionIndex

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    from airflow_provider_canfar.skaha.client import SkahaClient
    from airflow_provider_canfar.skaha.http.retrying import Clock, Sleep
    from airflow_provider_canfar.skaha.polling.session_cache import ListResult, Row

log = logging.getLogger(__name__)

#: Seconds for which the poll is kept when nobody waits any more: one may leave before the next comes.
GRACE = 10.0

#: So many are woken at a time, and then all else on the event loop has its turn.
WOKEN_AT_ONCE = 100


class SessionPoller:
    """The shared poll of one account on one event loop.

    It begins with the first who waits and ends with the last, after a short grace. What goes wrong in one
    look is told to those who wait, and the next look goes on. It runs in a context of its own, so that no log
    line of it lands in the task log of whoever came first.

    :param client: the platform; one that does not retry by itself (``retry_for=0``): the next look is the
        retry. It is opened and closed here.
    :param renew: fetches a refused credential afresh, and tells whether there is another.
    :param on_end: called when nobody waits any more.
    :param clock: seconds since the epoch.
    """

    def __init__(
        self,
        client: SkahaClient,
        *,
        renew: Callable[[], Awaitable[bool]] | None = None,
        on_end: Callable[[], None] = lambda: None,
        clock: Clock = time.time,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._client = client
        self._renewal = ReauthOnce(renew)
        self._on_end = on_end
        self._clock = clock
        self._sleep = sleep
        self._reads = SessionReader(client, self._renewal)
        self._listing = SessionCache()
        self._subscriptions = SubscriptionIndex()
        self._pace = PollBackoff()
        self._task: asyncio.Task[None] | None = None
        self._wakeup = asyncio.Event()
        self._due = 0.0
        self._dozes_until = 0.0
        self._left_at = 0.0
        self._joined_at = 0.0
        self._whole_at = 0.0
        self._looked_at = 0.0
        self._told_at = 0.0
        self._answered_at: float | None = None
        self._was_whole = True
        self._fault: Exception | None = None
        self._missing: set[str] = set()
        self._newcomers: set[Subscription] = set()
        self._overdue: set[Subscription] = set()

    @property
    def reads(self) -> SessionReader:
        """Questions about single sessions, bounded for all who wait together."""
        return self._reads

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
        """Wait for sessions.

        .. code-block:: python

            async with watch.subscribe(ids, interval=15.0) as looks:
                async for glimpse in looks:
                    ...

        :param ids: these.
        :param key: also those that have this key in their names, as a task's own have.
        :param choose: also those that it picks, of all that are listed; for one who goes by names.
        :param interval: seconds between two looks, at most.
        :param soon: seconds until a second look; the pauses after it double, up to the interval.
        :param wake_at: when to be woken even if nothing has changed, in seconds since the epoch; asked each
            time before the wait.
        """
        subscription = Subscription(self, ids, key=key, choose=choose, interval=interval, wake_at=wake_at)
        self._join(subscription, min(soon, interval))
        try:
            yield subscription
        finally:
            self._leave(subscription)

    def _join(self, subscription: Subscription, soon: float) -> None:
        self._joined_at = now = self._clock()
        self._subscriptions.add(subscription)
        self._newcomers.add(subscription)
        # In an outage, who comes waits with the others: a thousand who come must not be a thousand requests.
        if self._fault is None:
            self._due = min(self._due, now + self._pace.hurry(soon))
        self._start()
        self._wakeup.set()

    def _leave(self, subscription: Subscription) -> None:
        self._subscriptions.remove(subscription)
        self._newcomers.discard(subscription)
        self._overdue.discard(subscription)
        self._left_at = self._clock()
        if not self._subscriptions:
            self._wakeup.set()

    def wants_next(self, subscription: Subscription) -> None:
        """Take note that one waits for the next thing to see."""
        self._start()
        at = subscription.wake_at() if subscription.wake_at else None
        if at is None:
            subscription.awaited = None
        elif at > self._clock():
            self._subscriptions.awaits(subscription, at)
            if at < self._dozes_until:
                self._wakeup.set()
        else:
            # Its time has passed, and what it waits for has not come: the next look may bring it.
            self._overdue.add(subscription)

    def next_snapshot(self, subscription: Subscription) -> Snapshot:
        """Return what there is to see for one who waits.

        :raises AuthenticationError: when the platform refuses the credential.
        """
        if subscription.error is not None:
            raise subscription.error
        is_fresh, subscription.is_fresh = subscription.is_fresh, False
        if isinstance(self._fault, AuthenticationError):
            # One error for all: what each adds to its traceback would otherwise pile up.
            raise self._fault.with_traceback(None)
        if self._fault is not None or not is_fresh:
            at = self._looked_at if is_fresh else self._clock()
            return Snapshot(at, fault=self._fault, is_complete=False)
        listing, is_new = self._listing, subscription.is_new
        subscription.is_new = False
        ids = dict.fromkeys([*subscription.ids, *listing.by_key.get(subscription.key or "", ())])
        return Snapshot(
            self._looked_at,
            tuple(listing.session(one) for one in ids if listing.has_shown(one, is_whole=self._was_whole)),
            is_complete=self._was_whole,
            previous_at=None if is_new else subscription.previous_at,
        )

    def _start(self) -> None:
        """Begin to poll, unless that is so already."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._poll(), name="canfar-watch", context=Context())
            self._task.add_done_callback(self._ended)

    async def _poll(self) -> None:
        while True:
            async with self._client:
                while await self._rest():
                    await self._look()
            # Closing takes a moment, in which somebody may have come.
            if not self._subscriptions:
                return

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Tell those who wait, should the poll have died; what they wait for next starts it anew."""
        if task is not self._task:
            return
        error = None if task.cancelled() else task.exception()
        if self._subscriptions:
            self._fault = RuntimeError(f"The poll of the platform was stopped: {error or 'cancelled'}.")
            for subscription in list(self._subscriptions.members):
                subscription.wake(is_fresh=True)
        else:
            self._on_end()

    async def _rest(self) -> bool:
        """Wait until it is time to look, and return whether there is anybody to look for."""
        while True:
            wake_at = self._due if self._subscriptions else self._left_at + GRACE
            now = self._clock()
            if now >= wake_at:
                return bool(self._subscriptions)
            self._wakeup.clear()
            self._dozes_until = min(wake_at, self._subscriptions.next_time)
            await self._doze(self._dozes_until - now)
            await self._wake(self._subscriptions.due(self._clock()), is_fresh=False)

    async def _doze(self, seconds: float) -> None:
        """Sleep, unless somebody comes or goes meanwhile."""
        sleeping = asyncio.ensure_future(self._sleep(seconds))
        nudged = asyncio.ensure_future(self._wakeup.wait())
        try:
            await asyncio.wait({sleeping, nudged}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            nudged.cancel()

    async def _look(self) -> None:
        """Look once, and wake those whom it concerns. Whatever goes wrong is theirs to know."""
        newcomers, self._newcomers = self._newcomers, set()
        previous_at = self._answered_at
        try:
            affected = await self._ask()
        except Exception as fault:  # noqa: BLE001 - it is told to those who wait, and the next look goes on
            affected = self._take_fault(fault)
        overdue, self._overdue = self._overdue, set()
        await self._wake(affected | newcomers | overdue, is_fresh=True, previous_at=previous_at)

    async def _ask(self) -> set[Subscription]:
        """Ask the platform, and return those whom the answer concerns."""
        subscriptions, listing, asked_at = self._subscriptions, self._listing, self._clock()
        soon = bool(self._missing or subscriptions.choosing) or self._joined_at >= self._whole_at
        questions = listing.questions(asked_at, urgent=soon)
        readings = await self._renewal(partial(self._read, questions))
        for reading in readings:
            listing.take(reading, asked_at)
        is_whole = questions == FULL_LIST
        if is_whole:
            self._whole_at = asked_at
            self._reads.unknown &= subscriptions.by_id.keys()
            self._missing = listing.missing(subscriptions.by_id.keys(), self._reads.unknown)
            listing.forget(subscriptions.by_id.keys())
        else:
            self._missing -= listing.ended
        for subscription in [one for one in subscriptions.choosing if one.is_new]:
            subscriptions.choose(subscription, listing.rows.values())
            await asyncio.sleep(0)
        affected = subscriptions.affected([one for reading in readings for one in reading.news], listing)
        if is_whole:
            affected = affected.union(*(subscriptions.by_id[session_id] for session_id in self._missing))
        return self._take_answer(affected, is_whole=is_whole)

    async def _read(self, questions: tuple[str | None, ...]) -> list[ListResult]:
        return [await self._client.poll(self._listing.reader(word), word) for word in questions]

    def _take_answer(self, affected: set[Subscription], *, is_whole: bool) -> set[Subscription]:
        """Take note that the platform has answered; after an outage that concerns everybody."""
        was_silent, self._fault = self._fault is not None, None
        self._was_whole = is_whole
        self._answered_at = self._looked_at = self._clock()
        self._due = self._looked_at + self._pace.after_an_answer(self._subscriptions.interval)
        self._reads.replenish()
        return set(self._subscriptions.members) if was_silent else affected

    def _take_fault(self, fault: Exception) -> set[Subscription]:
        """Take note that it has not, and return those who shall be told: everybody, from time to time."""
        if not isinstance(fault, RequestError):
            log.error("A look at the platform failed by a mistake of its own.", exc_info=fault)
        was_answered, self._fault, self._looked_at = self._fault is None, fault, self._clock()
        retry_after = getattr(fault, "retry_after", None)
        self._due = self._looked_at + self._pace.after_a_fault(self._subscriptions.interval, retry_after)
        is_old = self._looked_at - self._told_at >= REPORT_EVERY
        if not (was_answered or is_old or isinstance(fault, AuthenticationError)):
            return set()
        self._told_at = self._looked_at
        return set(self._subscriptions.members)

    async def _wake(
        self, affected: Iterable[Subscription], *, is_fresh: bool, previous_at: float | None = None
    ) -> None:
        for count, subscription in enumerate(list(affected), 1):
            subscription.wake(is_fresh=is_fresh, previous_at=previous_at)
            if count % WOKEN_AT_ONCE == 0:
                await asyncio.sleep(0)
