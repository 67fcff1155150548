"""The subscriptions to one account's sessions in a process, indexed by the sessions they want. No I/O."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.polling.session_cache import Row, SessionCache
    from airflow_provider_canfar.skaha.polling.session_reader import SessionReader
    from airflow_provider_canfar.skaha.polling.snapshot import Snapshot
    from airflow_provider_canfar.skaha.polling.usage import UsageHistory


#: The index keeps up to this many outdated wake times before it cleans up.
MAX_OUTDATED = 100


class Subscription:
    """A subscriber's async iterator of :class:`~.snapshot.Snapshot`.

    The other parameters are those of :meth:`.session_poller.SessionPoller.subscribe`, which creates it.

    :param reader: requests about single sessions, with one limit for all subscribers.
    :param usage: what sessions use, as far as lists have shown it.
    :param next_snapshot: waits for the next snapshot.
    """

    def __init__(
        self,
        ids: Iterable[str],
        *,
        key: str | None,
        choose: Callable[[Row], bool] | None,
        interval: float,
        wake_at: Callable[[], float | None] | None,
        reader: SessionReader,
        usage: UsageHistory,
        next_snapshot: Callable[[Subscription], Awaitable[Snapshot]],
    ) -> None:
        self.ids = dict.fromkeys(ids)
        self.key = key
        self.choose = choose
        self.interval = interval
        self.wake_at = wake_at
        self.reader = reader
        self.usage = usage
        #: When to wake it in any case, in seconds since the epoch; None for no such time.
        self.wake_time: float | None = None
        #: Whether it has not had a list of its sessions yet.
        self.is_new = True
        #: Whether a poll has woken it, and not its wake time alone.
        self.woken_by_poll = False
        #: When the platform responded to the poll before the one that woke it.
        self.previous_at: float | None = None
        #: What its own functions raised.
        self.error: Exception | None = None
        self._next_snapshot = next_snapshot
        self._woken = asyncio.Event()

    def wake(self, *, by_poll: bool, previous_at: float | None = None) -> None:
        """Let it have a snapshot.

        :param by_poll: whether a poll wakes it, and not its wake time alone.
        :param previous_at: when the platform responded to the poll before that one.
        """
        if by_poll and not self.woken_by_poll:
            self.woken_by_poll, self.previous_at = True, previous_at
        self._woken.set()

    async def wait(self) -> None:
        """Wait to be woken."""
        await self._woken.wait()
        self._woken.clear()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Snapshot:
        """Wait until there is something to see.

        :raises AuthenticationError: if the platform refuses the credential, which waiting cannot change.
        """
        return await self._next_snapshot(self)


class Subscribe(Protocol):
    """Subscribes to sessions, as :meth:`.session_poller.SessionPoller.subscribe` does.

    The interval, and how soon the second poll follows the first, are bound before it is passed on.
    """

    def __call__(
        self,
        ids: Iterable[str] = (),
        *,
        key: str | None = None,
        choose: Callable[[Row], bool] | None = None,
        wake_at: Callable[[], float | None] | None = None,
    ) -> AbstractAsyncContextManager[Subscription]:
        """Return a context in which the subscription is live."""


class SubscriptionIndex:
    """All subscriptions, and the shortest way to those that a change affects.

    >>> subscriptions = SubscriptionIndex()
    >>> len(subscriptions), subscriptions.next_wake_time
    (0, inf)
    """

    def __init__(self) -> None:
        self.all: set[Subscription] = set()
        #: Those that also choose by name, and may come to want sessions that do not exist yet.
        self.choosing: set[Subscription] = set()
        self.by_id: dict[str, set[Subscription]] = defaultdict(set)
        self._by_key: dict[str, set[Subscription]] = defaultdict(set)
        self._intervals: Counter[float] = Counter()
        self._wake_times: list[tuple[float, int, Subscription]] = []
        self._count = itertools.count()

    def __len__(self) -> int:
        return len(self.all)

    def add(self, subscription: Subscription) -> None:
        """Add a subscription."""
        self.all.add(subscription)
        self._intervals[subscription.interval] += 1
        for session_id in subscription.ids:
            self.by_id[session_id].add(subscription)
        if subscription.key is not None:
            self._by_key[subscription.key].add(subscription)
        if subscription.choose is not None:
            self.choosing.add(subscription)

    def remove(self, subscription: Subscription) -> None:
        """Remove a subscription."""
        self.all.discard(subscription)
        self.choosing.discard(subscription)
        self._intervals -= Counter({subscription.interval: 1})
        subscription.wake_time = None
        for session_id in subscription.ids:
            _discard(self.by_id, session_id, subscription)
        if subscription.key is not None:
            _discard(self._by_key, subscription.key, subscription)

    @property
    def shortest_interval(self) -> float:
        """The shortest interval of all subscriptions."""
        return min(self._intervals, default=float("inf"))

    def affected(self, changed: Collection[str], cache: SessionCache) -> set[Subscription]:
        """Return the subscriptions that want any of the changed sessions, without a look at the others."""
        found: set[Subscription] = set()
        for session_id in changed:
            found |= self.by_id.get(session_id, set())
            key = cache.key_of(session_id)
            if key is not None:
                found |= self._by_key.get(key, set())
        rows = [cache.rows[session_id] for session_id in changed]
        return found | {
            subscription
            for subscription in self.choosing
            if not subscription.is_new and self.choose(subscription, rows)
        }

    def choose(self, subscription: Subscription, rows: Iterable[Row]) -> bool:
        """Let a subscription choose the sessions that it wants from now on, and return whether it wants any.

        An error in its function is its own.
        """
        if subscription.choose is None or subscription not in self.all:
            return False
        try:
            chosen = [row.id for row in rows if subscription.choose(row)]
        except Exception as error:  # noqa: BLE001 (any error is raised in that subscriber)
            subscription.error = error
            return True
        for session_id in chosen:
            subscription.ids[session_id] = None
            self.by_id[session_id].add(subscription)
        return bool(chosen)

    def set_wake_time(self, subscription: Subscription, time: float) -> None:
        """Set when to wake a subscription, in seconds since the epoch."""
        if subscription.wake_time == time:
            return
        subscription.wake_time = time
        heapq.heappush(self._wake_times, (time, next(self._count), subscription))
        if len(self._wake_times) > 2 * len(self.all) + MAX_OUTDATED:
            # Subscriptions that are gone, or have changed their wake time, may have wanted it in days.
            self._wake_times = [entry for entry in self._wake_times if entry[0] == entry[2].wake_time]
            heapq.heapify(self._wake_times)

    @property
    def next_wake_time(self) -> float:
        """When to wake the next subscription; infinity if none wants to be woken."""
        while self._wake_times and self._wake_times[0][0] != self._wake_times[0][2].wake_time:
            heapq.heappop(self._wake_times)
        return self._wake_times[0][0] if self._wake_times else float("inf")

    def pop_due(self, now: float) -> list[Subscription]:
        """Return the subscriptions whose wake time has come, each once."""
        due = []
        while self.next_wake_time <= now:
            subscription = heapq.heappop(self._wake_times)[2]
            subscription.wake_time = None
            due.append(subscription)
        return due


def _discard(index: dict[str, set[Subscription]], name: str, subscription: Subscription) -> None:
    index[name].discard(subscription)
    if not index[name]:
        del index[name]
