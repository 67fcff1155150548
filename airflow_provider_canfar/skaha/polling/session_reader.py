"""Requests about single sessions, and a refused credential: both shared by all subscribers.

One list covers all of an account's sessions. Events, logs, and whether the platform knows a session at all
are a request each; so all subscribers together have a limit on them.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from airflow_provider_canfar.skaha.errors import (
    AuthenticationError,
    NotFound,
    RequestError,
    ServiceBusy,
    Unreachable,
)
from airflow_provider_canfar.skaha.http.body import MAX_RESPONSE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from airflow_provider_canfar.skaha.client import SkahaClient
    from airflow_provider_canfar.skaha.models import Event, Session

T = TypeVar("T")

#: The number of requests about single sessions between two polls, for all subscribers together.
REQUESTS_PER_POLL = 16

#: How many of them may be for logs: they must not delay what tells whether sessions start, or still exist.
LOGS_PER_POLL = 8


class ReauthOnce:
    """Renews a refused credential once for all requests that it was refused for.

    :param renew: renews it, and returns whether there is another one now; None if there never is.
    """

    def __init__(self, renew: Callable[[], Awaitable[bool]] | None = None) -> None:
        self._renew = renew
        self._renewals = 0
        self._lock = asyncio.Lock()

    async def __call__(self, send: Callable[[], Awaitable[T]]) -> T:
        """Send a request; and once more after renewing the credential, if that is possible.

        :raises AuthenticationError: if the platform refuses the other credential, too.
        """
        renewals = self._renewals
        try:
            return await send()
        except AuthenticationError:
            async with self._lock:
                if self._renewals == renewals:
                    if self._renew is None or not await self._renew():
                        raise
                    self._renewals += 1
        return await send()


class SessionReader:
    """Requests about single sessions, at most :data:`REQUESTS_PER_POLL` between two polls.

    Any more fail with a :class:`~.errors.ServiceBusy`, as on a busy platform: the caller tries again later.
    The results are dicts by id, as the client's own are.

    :param client: the platform.
    :param reauth: for a refused credential.
    """

    def __init__(self, client: SkahaClient, reauth: ReauthOnce) -> None:
        self._client = client
        self._reauth = reauth
        self._left = REQUESTS_PER_POLL
        self._logs_left = LOGS_PER_POLL
        self._in_flight = 0
        #: The ids for which the platform has responded 404.
        self.unknown: set[str] = set()

    def reset_limit(self) -> None:
        """Allow the full number of requests again; those still in flight count."""
        self._left = REQUESTS_PER_POLL - self._in_flight
        self._logs_left = LOGS_PER_POLL

    async def info(self, session_id: str) -> dict[str, Session]:
        """Return a session as the platform knows it.

        :raises NotFound: for a session that it does not know.
        """
        try:
            return await self._send(lambda: self._client.info(session_id))
        except NotFound:
            self.unknown.add(session_id)
            raise

    async def events(self, session_id: str) -> dict[str, list[Event]]:
        """Return the Kubernetes events of a session."""
        return await self._send(lambda: self._client.events(session_id))

    async def logs(self, session_id: str) -> dict[str, str]:
        """Return what a session has written, or the end of it if it is larger than the platform keeps.

        At most :data:`LOGS_PER_POLL` between two polls.
        """
        if self._logs_left <= 0:
            raise ServiceBusy("Too many logs since the last poll; trying again later.")
        self._logs_left -= 1
        return await self._send(lambda: self._client.logs(session_id, max_bytes=MAX_RESPONSE))

    async def renew(self, session_id: str) -> dict[str, bool]:
        """Restart a session's lifetime. This has no limit: it is rare, and must not be postponed."""
        return await self._reauth(lambda: self._client.renew(session_id))

    async def _send(self, call: Callable[[], Awaitable[T]]) -> T:
        if self._left <= 0:
            raise ServiceBusy(
                "Too many requests about single sessions since the last poll; trying again after the next."
            )
        self._left -= 1
        self._in_flight += 1
        try:
            return await self._reauth(call)
        finally:
            self._in_flight -= 1


async def fetch_each(
    client: SessionReader | SkahaClient, session_ids: Iterable[str]
) -> tuple[list[Session], list[str]]:
    """Fetch each session by itself; return those that exist, and the ids that the platform does not know.

    :raises AuthenticationError: if the platform refuses the credential.
    """
    found, unknown = [], []
    for session_id in session_ids:
        try:
            found.append((await client.info(session_id))[session_id])
        except NotFound:
            unknown.append(session_id)
        except AuthenticationError:
            raise
        except (ServiceBusy, Unreachable):
            # The next one would wait as long, while a deadline may pass.
            break
        except RequestError:
            # A failed request says nothing about the session; fetch it again after the next list.
            continue
    return found, unknown
