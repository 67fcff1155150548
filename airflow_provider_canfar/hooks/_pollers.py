"""The pollers of a process: one for each account on each event loop, however many tasks wait on it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING

from airflow_provider_canfar.hooks._metrics import AirflowMetrics
from airflow_provider_canfar.skaha.errors import AuthenticationError
from airflow_provider_canfar.skaha.polling.session_poller import SessionPoller
from airflow_provider_canfar.skaha.polling.single_flight import SingleFlight
from airflow_provider_canfar.skaha.polling.usage import UsageHistory

if TYPE_CHECKING:
    from airflow_provider_canfar.hooks._settings import Settings
    from airflow_provider_canfar.skaha.http.retrying import Clock
    from airflow_provider_canfar.skaha.models import Stats

    #: Reads a connection.
    ReadConnection = Callable[[], Coroutine[None, None, Settings]]

log = logging.getLogger(__name__)

#: Seconds for which a connection that has been read is valid for all: a thousand triggers read it once. Then
#: it is read again for the next one, as a person may have changed it meanwhile.
CONNECTION_MAX_AGE = 30.0

#: Seconds to wait for Airflow to return a connection whose credential the platform has refused.
READ_TIMEOUT = 30.0


class PollerRegistry:
    """The pollers on one event loop.

    :param clock: monotonic seconds.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        #: The account that each poller polls.
        self._accounts: dict[SessionPoller, str] = {}
        #: The poller that each connection led to last.
        self._pollers: dict[str, SessionPoller] = {}
        #: What sessions use, by platform, which gives each its own id. It outlives the pollers: a task that
        #: is woken often subscribes to nothing between two waits, and a credential may change.
        self._usage: dict[str, UsageHistory] = {}
        self._settings: dict[str, SingleFlight[Settings]] = {}
        self._stats: dict[str, SingleFlight[Stats]] = {}

    async def poller_for(
        self, conn_id: str, read: ReadConnection, *, known: Settings | None = None
    ) -> SessionPoller:
        """Return the poller of the account that a connection leads to.

        :param read: reads the connection; many callers at once read it once.
        :param known: its settings, if it has been read already.
        """
        settings = known or await self._read_once(conn_id, read)
        poller = self._poller_of(settings) or self._with_new_credential(conn_id, settings)
        if poller is None:
            poller = self._new_poller(conn_id, settings, read)
        self._pollers[conn_id] = poller
        return poller

    def stats(self, conn_id: str, read: ReadConnection) -> SingleFlight[Stats]:
        """Return how busy a connection's platform is, requested once for all tasks that wait for resources.

        :param read: reads the connection.
        """
        if conn_id not in self._stats:
            self._stats[conn_id] = SingleFlight(partial(self._fetch_stats, conn_id, read), clock=self._clock)
        return self._stats[conn_id]

    async def _fetch_stats(self, conn_id: str, read: ReadConnection) -> Stats:
        settings = await self._read_once(conn_id, read)
        try:
            return await _stats(settings)
        except AuthenticationError:
            # A person may have renewed the credential there.
            renewed = await self._read_once(conn_id, read, max_age=0.0)
            if renewed.account == settings.account:
                raise
        return await _stats(renewed)

    async def _read_once(
        self, conn_id: str, read: ReadConnection, max_age: float = CONNECTION_MAX_AGE
    ) -> Settings:
        if conn_id not in self._settings:
            # A connection that could not be read is read again for the next caller.
            self._settings[conn_id] = SingleFlight(read, keep_errors=False, clock=self._clock)
        return await self._settings[conn_id](max_age)

    def _poller_of(self, settings: Settings) -> SessionPoller | None:
        return next(
            (poller for poller, account in self._accounts.items() if account == settings.account), None
        )

    def _with_new_credential(self, conn_id: str, settings: Settings) -> SessionPoller | None:
        """Return the poller of a connection whose credential has changed; it continues with the new one."""
        poller = self._pollers.get(conn_id)
        if poller is None or poller.client.url != settings.url:
            return None
        if any(other is poller for its_id, other in self._pollers.items() if its_id != conn_id):
            return None
        self._replace_credential(poller, settings)
        return poller

    def _new_poller(self, conn_id: str, settings: Settings, read: ReadConnection) -> SessionPoller:
        # The next poll is the retry: a client with retries would only hide an outage.
        poller = SessionPoller(
            settings.client(retry_for=0, metrics=AirflowMetrics(conn_id)),
            renew=lambda: self._renew(poller, conn_id, read),
            on_end=lambda: self._forget(poller),
            usage=self._usage.setdefault(settings.url, UsageHistory()),
        )
        self._accounts[poller] = settings.account
        return poller

    async def _renew(self, poller: SessionPoller, conn_id: str, read: ReadConnection) -> bool:
        """Read the connection again, and return whether it has another credential now."""
        try:
            async with asyncio.timeout(READ_TIMEOUT):
                settings = await read()
        except Exception as error:  # noqa: BLE001 (after any error, there is no other credential)
            log.warning("Could not read connection %r again: %s", conn_id, error)
            return False
        # Another platform would not know the sessions of this one.
        if settings.account == self._accounts.get(poller) or settings.url != poller.client.url:
            return False
        self._replace_credential(poller, settings)
        return True

    def _replace_credential(self, poller: SessionPoller, settings: Settings) -> None:
        self._accounts[poller] = settings.account
        poller.client.replace_credential(settings.credential)

    def _forget(self, poller: SessionPoller) -> None:
        self._accounts.pop(poller, None)
        self._pollers = {conn_id: one for conn_id, one in self._pollers.items() if one is not poller}


async def _stats(settings: Settings) -> Stats:
    # The caller's next request is the retry: a client with retries would only hide an outage.
    async with settings.client(retry_for=0) as client:
        return await client.stats()


_registries: dict[asyncio.AbstractEventLoop, PollerRegistry] = {}


def pollers() -> PollerRegistry:
    """Return the pollers on the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _registries:
        # Each asyncio.run() leaves a closed loop behind.
        for other in [one for one in list(_registries) if one.is_closed()]:
            _registries.pop(other, None)
        _registries[loop] = PollerRegistry()
    return _registries[loop]
