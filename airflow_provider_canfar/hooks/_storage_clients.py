"""The clients of storages in a process: one for each account on each event loop, open while it is in use.

A file takes two or three requests, and a folder of them thousands. A client for each would spend more time
with TLS handshakes than with files.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from airflow_provider_canfar.hooks._settings import Settings
    from airflow_provider_canfar.skaha.storage.client import StorageClient

#: Seconds for which a client stays open after its last use; servers keep connections for longer.
KEEP_OPEN = 5.0


@dataclass(eq=False)
class _Shared:
    """An open client, and who uses it.

    :param users: how many use it now.
    :param closing: waits to close it while there are none.
    """

    client: StorageClient
    opened: asyncio.Lock = field(default_factory=asyncio.Lock)
    is_open: bool = False
    users: int = 0
    closing: asyncio.Task[None] | None = None


class StorageClients:
    """The clients on one event loop.

    :param keep_open: seconds for which a client stays open after its last use.
    """

    def __init__(self, keep_open: float = KEEP_OPEN) -> None:
        self._keep_open = keep_open
        self._shared: dict[str, _Shared] = {}

    @asynccontextmanager
    async def client_of(self, settings: Settings) -> AsyncIterator[StorageClient]:
        """Lend the client of an account.

        :param settings: of a connection that leads to the account.
        """
        shared = self._shared.setdefault(settings.account, _Shared(settings.storage()))
        shared.users += 1
        if shared.closing is not None:
            shared.closing.cancel()
            shared.closing = None
        try:
            async with shared.opened:
                if not shared.is_open:
                    await shared.client.__aenter__()
                    shared.is_open = True
            yield shared.client
        finally:
            shared.users -= 1
            if not shared.users:
                shared.closing = asyncio.create_task(self._close(settings.account, shared))

    async def _close(self, account: str, shared: _Shared) -> None:
        try:
            await asyncio.sleep(self._keep_open)
        except asyncio.CancelledError:
            # Either it is in use again, or the event loop ends, and the client with it.
            if shared.users:
                raise
        # From here on, no other task uses it: closing waits only for its own connections.
        self._shared.pop(account, None)
        shared.closing = None
        await shared.client.__aexit__(None, None, None)


_clients: dict[asyncio.AbstractEventLoop, StorageClients] = {}
_mounts: dict[str, str] = {}


def storage_clients() -> StorageClients:
    """Return the clients on the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        # Each asyncio.run() leaves a closed loop behind.
        for other in [one for one in list(_clients) if one.is_closed()]:
            _clients.pop(other, None)
        _clients[loop] = StorageClients()
    return _clients[loop]


async def mount_of(settings: Settings, storage: StorageClient) -> str:
    """Return the folder in which a connection's sessions see the storage; asked once in a process."""
    if settings.account not in _mounts:
        _mounts[settings.account] = await settings.mount_of(storage)
    return _mounts[settings.account]
