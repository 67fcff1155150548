"""The polls of a process: one for each account on each event loop, however many tasks wait on it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextvars import Context
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.errors import AuthenticationError
from airflow_provider_canfar.skaha.polling.session_poller import SessionPoller
from airflow_provider_canfar.skaha.polling.single_flight import SingleFlight

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_provider_canfar.hooks._settings import Settings
    from airflow_provider_canfar.skaha.credentials import Authorization
    from airflow_provider_canfar.skaha.http.retrying import Clock
    from airflow_provider_canfar.skaha.models import Stats

    #: Reads a connection.
    Read = Callable[[], Awaitable[Settings]]

log = logging.getLogger(__name__)

#: For so many seconds what a connection says is good for all who come: a thousand triggers read it once. Then
#: it is read again for who comes next, as a person may have changed it meanwhile.
READ_EVERY = 30.0

#: Seconds within which Airflow must say what a connection holds, where its credential is refused.
READ_WITHIN = 30.0


class ConnectionCredential:
    """The credential of an Airflow connection, which a person may renew there while sessions are waited for.

    :param settings: what the connection says.
    :param read: reads it again.
    """

    def __init__(self, settings: Settings, read: Read) -> None:
        self._settings = settings
        self._read = read

    def __repr__(self) -> str:
        return repr(self._settings.credential)

    @property
    def name(self) -> str:
        """What it is, for messages."""
        return self._settings.credential.name

    @property
    def renewal(self) -> str:
        """What a person does when it is refused."""
        return self._settings.credential.renewal

    @property
    def expires_at(self) -> datetime | None:
        """When it ends."""
        return self._settings.credential.expires_at

    async def authorize(self) -> Authorization:
        """Return what a request carries now."""
        return await self._settings.credential.authorize()

    async def refresh(self, rejected: Authorization) -> bool:
        """Get something else in place of what was refused, if the credential can by itself."""
        return await self._settings.credential.refresh(rejected)

    async def reread(self) -> bool:
        """Read the connection again, and tell whether it holds another credential now."""
        try:
            async with asyncio.timeout(READ_WITHIN):
                settings = await self._read()
        except Exception as error:  # noqa: BLE001 - whatever it is, there is no other credential
            log.warning("The connection could not be read again: %s", error)
            return False
        # Another platform would know nothing of the sessions that are waited for.
        if settings.account == self._settings.account or settings.url != self._settings.url:
            return False
        self.take(settings)
        return True

    def take(self, settings: Settings) -> None:
        """Go on with what the connection says now."""
        self._settings = settings


@dataclass
class Poll:
    """A watch, whose it is, and which connections lead to it."""

    watch: SessionPoller
    url: str
    credential: ConnectionCredential
    connections: set[str] = field(default_factory=set)


class PollerRegistry:
    """The watches on one event loop.

    :param clock: seconds that never go back.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._polls: dict[str, Poll] = {}
        self._readings: dict[str, tuple[float, asyncio.Future[Settings]]] = {}
        self._stats: dict[str, SingleFlight[Stats]] = {}

    async def of(self, conn_id: str, read: Read, *, known: Settings | None = None) -> SessionPoller:
        """Return the watch of the account that a connection leads to.

        :param read: reads the connection; many who come at once have it read once.
        :param known: what it says, where that has been read already.
        """
        return self._watch(conn_id, known or await self._settings(conn_id, read), read)

    def stats(self, conn_id: str, read: Read) -> SingleFlight[Stats]:
        """Return how busy the platform is that a connection leads to, for all who wait for room there.

        :param read: reads the connection.
        """
        if conn_id not in self._stats:
            self._stats[conn_id] = SingleFlight(partial(self._ask_stats, conn_id, read), clock=self._clock)
        return self._stats[conn_id]

    async def _ask_stats(self, conn_id: str, read: Read) -> Stats:
        settings = await self._settings(conn_id, read)
        try:
            return await _stats(settings)
        except AuthenticationError:
            # A person may have renewed it there.
            self._readings.pop(conn_id, None)
            renewed = await self._settings(conn_id, read)
            if renewed.account == settings.account:
                raise
        return await _stats(renewed)

    async def _settings(self, conn_id: str, read: Read) -> Settings:
        now = self._clock()
        read_at, reading = self._readings.get(conn_id, (0.0, None))
        if reading is None or now - read_at >= READ_EVERY:
            # A task of its own: that one who waits gives up must not cost the others their connection.
            reading = Context().run(asyncio.ensure_future, read())
            reading.add_done_callback(partial(self._forget_failed, conn_id))
            self._readings[conn_id] = (now, reading)
        return await asyncio.shield(reading)

    def _forget_failed(self, conn_id: str, reading: asyncio.Future[Settings]) -> None:
        """Let who comes next read a connection that could not be read."""
        if reading.cancelled() or reading.exception() is not None:
            self._readings.pop(conn_id, None)

    def _watch(self, conn_id: str, settings: Settings, read: Read) -> SessionPoller:
        poll = self._polls.get(settings.account) or self._renewed(conn_id, settings)
        if poll is None:
            credential = ConnectionCredential(settings, read)
            # The next look is the retry: a client that retried by itself would only hide an outage.
            client = replace(settings, credential=credential).client(retry_for=0)
            watch = SessionPoller(client, renew=credential.reread, on_end=lambda: self._end(watch))
            poll = Poll(watch, settings.url, credential)
        poll.connections.add(conn_id)
        self._polls[settings.account] = poll
        return poll.watch

    def _renewed(self, conn_id: str, settings: Settings) -> Poll | None:
        """Return the poll of a connection that has another credential since; it goes on with that one."""
        for account, poll in self._polls.items():
            if poll.connections == {conn_id} and poll.url == settings.url:
                poll.credential.take(settings)
                return self._polls.pop(account)
        return None

    def _end(self, watch: SessionPoller) -> None:
        self._polls = {account: poll for account, poll in self._polls.items() if poll.watch is not watch}


async def _stats(settings: Settings) -> Stats:
    # Who waits is the retry: a client that retried by itself would only hide an outage.
    async with settings.client(retry_for=0) as client:
        return await client.stats()


_watches: dict[asyncio.AbstractEventLoop, PollerRegistry] = {}


def watches() -> PollerRegistry:
    """Return the watches on the event loop that is running."""
    loop = asyncio.get_running_loop()
    if loop not in _watches:
        # Each call of asyncio.run() leaves a loop behind.
        for other in [one for one in list(_watches) if one.is_closed()]:
            _watches.pop(other, None)
        _watches[loop] = PollerRegistry()
    return _watches[loop]
