"""One fetch at a time, however many wait for it.

Clients live on several event loops of a process (each sync call of a hook has its own), and each may hold its
own object of what is one account. An OIDC refresh token, for one, may be good for one use only. So what has
been fetched is shared by the whole process.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from airflow_provider_canfar.skaha.credentials.base import Authorization

#: A grant is fetched anew this long before it ends, as a request under way must not outlive it; one of a
#: short life, in the last fifth of it.
MARGIN = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a fetch has brought.

    :param granted_at: when.
    :param expires_at: when it ends; None where it does not say.
    :param successor: what the next fetch must show instead of what was configured: a rotated refresh token.
    """

    authorization: Authorization = field(repr=False)
    granted_at: datetime
    expires_at: datetime | None = None
    successor: str | None = field(default=None, repr=False)

    def is_due(self, now: datetime) -> bool:
        """Whether it is time for another."""
        if self.expires_at is None:
            return False
        return now >= self.expires_at - min(MARGIN, (self.expires_at - self.granted_at) / 5)


class GrantCache:
    """The last grant of one account, and the fetch of the next."""

    def __init__(self) -> None:
        self.grant: Grant | None = None
        self._flight: Future[Grant] | None = None
        self._task: asyncio.Task[None] | None = None
        self._lock = threading.Lock()

    async def fetch(self, fetch: Callable[[], Awaitable[Grant]]) -> Grant:
        """Return what the fetch under way brings, and begin one where there is none."""
        while True:
            with self._lock:
                if self._flight is None:
                    self._flight = Future()
                    # A task of its own: that one who waits gives up must not cost the others their grant, or
                    # a rotated token its successor.
                    self._task = asyncio.create_task(self._run(self._flight, fetch))
                flight = self._flight
            waiting = asyncio.wrap_future(flight)
            waiting.add_done_callback(_seen)
            # Unlike an await of the future itself, this leaves it alone when it is cancelled.
            await asyncio.wait([waiting])
            if not waiting.cancelled():
                return waiting.result()
            # The event loop that fetched has ended. Whoever still waits begins anew.

    async def _run(self, flight: Future[Grant], fetch: Callable[[], Awaitable[Grant]]) -> None:
        try:
            grant = await fetch()
        except asyncio.CancelledError:
            self._finish()
            flight.cancel()
            raise
        except Exception as error:  # noqa: BLE001 (whatever it is, it is raised in those who wait)
            self._finish()
            flight.set_exception(error)
        else:
            self._finish(grant)
            flight.set_result(grant)

    def _finish(self, grant: Grant | None = None) -> None:
        with self._lock:
            self._flight = None
            self.grant = grant or self.grant


def _seen(waiting: asyncio.Future[Grant]) -> None:
    """Take note of an error, or asyncio would log it as forgotten where the one who waits was cancelled."""
    if not waiting.cancelled():
        waiting.exception()


_accounts: dict[str, GrantCache] = {}
_accounts_lock = threading.Lock()


def shared(*identity: str) -> GrantCache:
    """Return what the process knows of an account. The identity may hold secrets: only its hash is kept."""
    key = hashlib.sha256("\0".join(identity).encode()).hexdigest()
    with _accounts_lock:
        return _accounts.setdefault(key, GrantCache())
