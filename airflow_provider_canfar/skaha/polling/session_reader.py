"""Questions about single sessions, and a credential that is refused: both shared by all who wait.

A list answers for all of an account's sessions at once. Events, logs, and whether the platform knows a
session at all, are a request each; so there is a bound on them for all who wait together.
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

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from airflow_provider_canfar.skaha.client import SkahaClient
    from airflow_provider_canfar.skaha.models import Event, Session

T = TypeVar("T")

#: So many questions about single sessions are asked between two looks, by all who wait together.
READS_PER_LOOK = 16


class ReauthOnce:
    """A credential that is fetched afresh where it was given, once for all who see it refused.

    :param renew: fetches it, and tells whether there is another than before; None where there never is.
    """

    def __init__(self, renew: Callable[[], Awaitable[bool]] | None = None) -> None:
        self._renew = renew
        self._times = 0
        self._lock = asyncio.Lock()

    async def __call__(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask; and once more with another credential, where there is one.

        :raises AuthenticationError: when the platform refuses that, too.
        """
        times = self._times
        try:
            return await ask()
        except AuthenticationError:
            async with self._lock:
                if self._times == times:
                    if self._renew is None or not await self._renew():
                        raise
                    self._times += 1
        return await ask()


class SessionReader:
    """Questions about single sessions, so many between two looks.

    What is more is refused with a :class:`~.errors.ServiceBusy`, as a busy platform would: whoever asks asks
    again later. The answers are dicts by id, as the client's own are.

    :param client: the platform.
    :param renewal: for a refused credential.
    """

    def __init__(self, client: SkahaClient, renewal: ReauthOnce) -> None:
        self._client = client
        self._renewal = renewal
        self._left = READS_PER_LOOK
        self._under_way = 0
        #: The ids that the platform has answered 404 for.
        self.unknown: set[str] = set()

    def replenish(self) -> None:
        """Allow as many as there may be; those that wait for an answer are counted still."""
        self._left = READS_PER_LOOK - self._under_way

    async def info(self, session_id: str) -> dict[str, Session]:
        """Return a session as the platform knows it.

        :raises NotFound: for one that it does not know.
        """
        try:
            return await self._ask(lambda: self._client.info(session_id))
        except NotFound:
            self.unknown.add(session_id)
            raise

    async def events(self, session_id: str) -> dict[str, list[Event]]:
        """Return what Kubernetes says of a session."""
        return await self._ask(lambda: self._client.events(session_id))

    async def logs(self, session_id: str) -> dict[str, str]:
        """Return what a session has written."""
        return await self._ask(lambda: self._client.logs(session_id))

    async def renew(self, session_id: str) -> dict[str, bool]:
        """Give a session its whole time again. There are few such, and none that may be put off."""
        return await self._renewal(lambda: self._client.renew(session_id))

    async def _ask(self, question: Callable[[], Awaitable[T]]) -> T:
        if self._left <= 0:
            raise ServiceBusy("Others who wait have asked about single sessions; this is asked again later.")
        self._left -= 1
        self._under_way += 1
        try:
            return await self._renewal(question)
        finally:
            self._under_way -= 1


async def fetch_each(
    client: SessionReader | SkahaClient, session_ids: Iterable[str]
) -> tuple[list[Session], list[str]]:
    """Ask for each session by itself; return those that exist, and the ids that the platform answers 404 for.

    :raises AuthenticationError: when the platform refuses the credential.
    """
    there, unknown = [], []
    for session_id in session_ids:
        try:
            there.append((await client.info(session_id))[session_id])
        except NotFound:
            unknown.append(session_id)
        except AuthenticationError:
            raise
        except (ServiceBusy, Unreachable):
            # The next one would wait for an answer as long, while a deadline may pass.
            break
        except RequestError:
            # No answer says nothing about the session; it is asked for again after the next list.
            continue
    return there, unknown
