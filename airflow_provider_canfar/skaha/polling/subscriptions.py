"""Those who wait in one process for sessions of one account: found by what they wait for. No I/O."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.polling.session_cache import Row, SessionCache
    from airflow_provider_canfar.skaha.polling.session_reader import SessionReader
    from airflow_provider_canfar.skaha.polling.snapshot import Snapshot


#: So many times that are not awaited any more are no matter.
FEW = 100


class Showing(Protocol):
    """What the shared poll does for one who waits."""

    @property
    def reads(self) -> SessionReader:
        """Questions about single sessions."""

    def wants_next(self, subscription: Subscription) -> None:
        """Take note that one waits for the next thing to see."""

    def next_snapshot(self, subscription: Subscription) -> Snapshot:
        """Return what there is to see."""


class Subscription:
    """What one who waits is shown: an async iterator of :class:`~.snapshot.Snapshot`.

    The parameters are those of :meth:`.watch.SessionPoller.subscribe`, which makes it.
    """

    def __init__(
        self,
        watch: Showing,
        ids: Iterable[str],
        *,
        key: str | None,
        choose: Callable[[Row], bool] | None,
        interval: float,
        wake_at: Callable[[], float | None] | None,
    ) -> None:
        self.ids = dict.fromkeys(ids)
        self.key = key
        self.choose = choose
        self.interval = interval
        self.wake_at = wake_at
        #: When it wants to be woken, in seconds since the epoch; None when it does not.
        self.awaited: float | None = None
        #: Whether no look has been answered for it yet.
        self.is_new = True
        #: Whether it has been woken by a look, and not by its time alone.
        self.is_fresh = False
        #: When the look before the one that woke it was answered.
        self.previous_at: float | None = None
        #: What went wrong in its own functions.
        self.error: Exception | None = None
        self._watch = watch
        self._woken = asyncio.Event()

    @property
    def reads(self) -> SessionReader:
        """Questions about single sessions, bounded for all who wait together."""
        return self._watch.reads

    def wake(self, *, is_fresh: bool, previous_at: float | None = None) -> None:
        """Let it see what there is to see.

        :param is_fresh: whether it is a look that wakes it, and not its time alone.
        :param previous_at: when the look before that one was answered.
        """
        if is_fresh and not self.is_fresh:
            self.is_fresh, self.previous_at = True, previous_at
        self._woken.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Snapshot:
        """Wait until there is something to see.

        :raises AuthenticationError: when the platform refuses the credential, which waiting cannot mend.
        """
        self._watch.wants_next(self)
        await self._woken.wait()
        self._woken.clear()
        return self._watch.next_snapshot(self)


class Subscribe(Protocol):
    """Begins to wait for sessions, as :meth:`.session_poller.SessionPoller.subscribe` does.

    The interval, and how soon the second list follows the first, are bound before it is handed on.
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
    """All who wait, and the shortest way to those whom something concerns.

    >>> subscriptions = SubscriptionIndex()
    >>> len(subscriptions), subscriptions.next_time
    (0, inf)
    """

    def __init__(self) -> None:
        self.members: set[Subscription] = set()
        #: Those who go by more than ends, and may come to wait for sessions that nobody has seen yet.
        self.choosing: set[Subscription] = set()
        self.by_id: dict[str, set[Subscription]] = defaultdict(set)
        self._by_key: dict[str, set[Subscription]] = defaultdict(set)
        self._intervals: Counter[float] = Counter()
        self._times: list[tuple[float, int, Subscription]] = []
        self._count = itertools.count()

    def __len__(self) -> int:
        return len(self.members)

    def add(self, subscription: Subscription) -> None:
        """Let one more wait."""
        self.members.add(subscription)
        self._intervals[subscription.interval] += 1
        for session_id in subscription.ids:
            self.by_id[session_id].add(subscription)
        if subscription.key is not None:
            self._by_key[subscription.key].add(subscription)
        if subscription.choose is not None:
            self.choosing.add(subscription)

    def remove(self, subscription: Subscription) -> None:
        """Let one go."""
        self.members.discard(subscription)
        self.choosing.discard(subscription)
        self._intervals -= Counter({subscription.interval: 1})
        subscription.awaited = None
        for session_id in subscription.ids:
            _discard(self.by_id, session_id, subscription)
        if subscription.key is not None:
            _discard(self._by_key, subscription.key, subscription)

    @property
    def interval(self) -> float:
        """The shortest that anybody asks for."""
        return min(self._intervals, default=float("inf"))

    def affected(self, news: Collection[str], listing: SessionCache) -> set[Subscription]:
        """Return those whom news of sessions concern; of the others, none is looked at."""
        found: set[Subscription] = set()
        for session_id in news:
            found |= self.by_id.get(session_id, set())
            key = listing.key(session_id)
            if key is not None:
                found |= self._by_key.get(key, set())
        rows = [listing.rows[session_id] for session_id in news]
        return found | {
            subscription
            for subscription in self.choosing
            if not subscription.is_new and self.choose(subscription, rows)
        }

    def choose(self, subscription: Subscription, rows: Iterable[Row]) -> bool:
        """Let one decide for which sessions it waits from now on, and return whether there are such.

        Its mistakes are its own.
        """
        if subscription.choose is None or subscription not in self.members:
            return False
        try:
            chosen = [row.id for row in rows if subscription.choose(row)]
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised where that one waits
            subscription.error = error
            return True
        for session_id in chosen:
            subscription.ids[session_id] = None
            self.by_id[session_id].add(subscription)
        return bool(chosen)

    def awaits(self, subscription: Subscription, time: float) -> None:
        """Take note of when one wants to be woken, in seconds since the epoch."""
        if subscription.awaited == time:
            return
        subscription.awaited = time
        heapq.heappush(self._times, (time, next(self._count), subscription))
        if len(self._times) > 2 * len(self.members) + FEW:
            # Who has left, or thought better of it, may have wanted to be woken in days.
            self._times = [entry for entry in self._times if entry[0] == entry[2].awaited]
            heapq.heapify(self._times)

    @property
    def next_time(self) -> float:
        """When the next one wants to be woken; infinity when none does."""
        while self._times and self._times[0][0] != self._times[0][2].awaited:
            heapq.heappop(self._times)
        return self._times[0][0] if self._times else float("inf")

    def due(self, now: float) -> list[Subscription]:
        """Return those whose time has come, each once."""
        due = []
        while self.next_time <= now:
            subscription = heapq.heappop(self._times)[2]
            subscription.awaited = None
            due.append(subscription)
        return due


def _discard(index: dict[str, set[Subscription]], name: str, subscription: Subscription) -> None:
    index[name].discard(subscription)
    if not index[name]:
        del index[name]
