"""One fetch at a time for all clients of one account in a process.

Clients live on several event loops of a process (each sync call of a hook has its own), and each may have its
own credential object for one account. An OIDC refresh token, for one, may be valid for one use only. So the
whole process shares what was fetched.
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

    from airflow_provider_canfar.skaha.http.authorization import Authorization

#: A grant is renewed this long before it expires, so that it outlives a request in flight; a short-lived one,
#: in the last fifth of its life.
RENEWAL_MARGIN = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Grant:
    """The result of a fetch.

    :param granted_at: when it was granted.
    :param expires_at: when it expires; None if the service does not say.
    :param refresh_token: for the next fetch, in place of the configured one, if the service rotates it.
    """

    authorization: Authorization = field(repr=False)
    granted_at: datetime
    expires_at: datetime | None = None
    refresh_token: str | None = field(default=None, repr=False)

    def is_due(self, now: datetime) -> bool:
        """Whether it is time to fetch another."""
        if self.expires_at is None:
            return False
        return now >= self.expires_at - min(RENEWAL_MARGIN, (self.expires_at - self.granted_at) / 5)


class GrantCache:
    """The last grant of one account, and the fetch of the next one."""

    def __init__(self) -> None:
        self.grant: Grant | None = None
        self._pending: Future[Grant] | None = None
        self._task: asyncio.Task[None] | None = None
        self._lock = threading.Lock()

    async def fetch(self, fetch: Callable[[], Awaitable[Grant]]) -> Grant:
        """Return the result of the fetch in progress; start one if there is none."""
        while True:
            with self._lock:
                if self._pending is None:
                    self._pending = Future()
                    # A task of its own: a caller that is cancelled must not cost the others their grant, or
                    # the account its rotated refresh token.
                    self._task = asyncio.create_task(self._run(self._pending, fetch))
                pending = self._pending
            result = asyncio.wrap_future(pending)
            result.add_done_callback(_retrieve_exception)
            # Unlike awaiting the future itself, this does not cancel it when the caller is cancelled.
            await asyncio.wait([result])
            if not result.cancelled():
                return result.result()
            # The event loop of that fetch has closed. Start another.

    async def _run(self, pending: Future[Grant], fetch: Callable[[], Awaitable[Grant]]) -> None:
        try:
            grant = await fetch()
        except asyncio.CancelledError:
            self._finish()
            pending.cancel()
            raise
        except Exception as error:  # noqa: BLE001 (any error is raised in the callers)
            self._finish()
            pending.set_exception(error)
        else:
            self._finish(grant)
            pending.set_result(grant)

    def _finish(self, grant: Grant | None = None) -> None:
        with self._lock:
            self._pending = None
            self.grant = grant or self.grant


def _retrieve_exception(result: asyncio.Future[Grant]) -> None:
    """Retrieve an error, or asyncio would log it as never retrieved if the caller was cancelled."""
    if not result.cancelled():
        result.exception()


_caches: dict[str, GrantCache] = {}
_caches_lock = threading.Lock()


def grant_cache_of(*identity: str) -> GrantCache:
    """Return the process's cache for an account. The identity may contain secrets: only its hash is kept."""
    key = hashlib.sha256("\0".join(identity).encode()).hexdigest()
    with _caches_lock:
        return _caches.setdefault(key, GrantCache())
