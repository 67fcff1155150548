"""One poll: list the account's sessions, and find the subscriptions that a change affects."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.polling.session_cache import FULL_LIST, SessionCache

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.client import SkahaClient
    from airflow_provider_canfar.skaha.models import Session
    from airflow_provider_canfar.skaha.polling.session_cache import ListResult
    from airflow_provider_canfar.skaha.polling.session_reader import ReauthOnce, SessionReader
    from airflow_provider_canfar.skaha.polling.subscriptions import Subscription, SubscriptionIndex
    from airflow_provider_canfar.skaha.polling.usage import UsageHistory

#: How many rows a new subscription chooses from before others on the event loop have their turn.
ROWS_AT_ONCE = 500


class ChangeDetector:
    """What the polls so far have shown, compared with the next one.

    :param client: the platform.
    :param reauth: for a refused credential.
    :param reader: knows the ids that the platform does not know.
    :param subscriptions: all of them.
    :param usage: keeps what sessions use.
    """

    def __init__(
        self,
        client: SkahaClient,
        reauth: ReauthOnce,
        reader: SessionReader,
        subscriptions: SubscriptionIndex,
        usage: UsageHistory,
    ) -> None:
        self._client = client
        self._reauth = reauth
        self._reader = reader
        self._subscriptions = subscriptions
        self._cache = SessionCache(usage)
        self._missing: set[str] = set()
        self._full_list_at = 0.0
        #: The bytes of the last poll's lists.
        self.size = 0
        #: Whether the last poll listed all sessions, and not only ended ones.
        self.is_complete = True

    async def poll(self, now: float, subscribed_at: float) -> set[Subscription]:
        """Poll once, and return the subscriptions that a change affects.

        :param now: seconds since the epoch.
        :param subscribed_at: when the last new subscription came.
        :raises RequestError: if the platform did not respond.
        """
        subscriptions, cache = self._subscriptions, self._cache
        urgent = bool(self._missing or subscriptions.choosing) or subscribed_at >= self._full_list_at
        query = cache.query(now, urgent=urgent)
        results = await self._reauth(lambda: self._list(query))
        self.size = sum(result.size for result in results)
        for result in results:
            cache.update(result, now)
        wanted = subscriptions.by_id.keys()
        is_complete = query == FULL_LIST
        if is_complete:
            self._full_list_at = now
            self._reader.unknown &= wanted
            self._missing = cache.missing(wanted, self._reader.unknown)
            cache.forget_ended(wanted)
        else:
            self._missing -= cache.ended
        for subscription in [one for one in subscriptions.choosing if one.is_new]:
            rows = [*cache.rows.values()]
            for start in range(0, len(rows), ROWS_AT_ONCE):
                subscriptions.choose(subscription, rows[start : start + ROWS_AT_ONCE])
                await asyncio.sleep(0)
        affected = subscriptions.affected([one for result in results for one in result.changed], cache)
        if is_complete:
            affected = affected.union(*(subscriptions.by_id[session_id] for session_id in self._missing))
        self.is_complete = is_complete
        return affected

    async def _list(self, query: tuple[str | None, ...]) -> list[ListResult]:
        return [await self._client.poll(self._cache.parser(status), status) for status in query]

    def sessions(self, subscription: Subscription) -> tuple[Session, ...]:
        """Return the sessions of a subscription in the last poll."""
        ids = dict.fromkeys([*subscription.ids, *self._cache.by_key.get(subscription.key or "", ())])
        return tuple(
            self._cache.session(session_id)
            for session_id in ids
            if self._cache.is_listed(session_id, is_complete=self.is_complete)
        )
