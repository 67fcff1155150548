"""Closing a connection instead of responding."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

CloseConnection = Callable[[Any], None]
"""Closes the connection of a client, given by its address."""


class Disconnect(Response):
    """No response: the connection is closed.

    :param close_connection: closes it.
    """

    def __init__(self, close_connection: CloseConnection) -> None:
        super().__init__()
        self._close_connection = close_connection

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Close the connection, and wait until it is closed."""
        self._close_connection(scope["client"])
        await wait_for_disconnect(receive)


async def wait_for_disconnect(receive: Receive) -> None:
    """Wait until a client is gone, and ignore what it sends until then."""
    while (await receive())["type"] != "http.disconnect":
        pass
