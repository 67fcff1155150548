"""Keeps the pages of other sites out: which names a server answers to, and which origins may send requests.

A browser on this machine reaches every server on loopback, also for a page of another site. Such a page can
send requests, and by *DNS rebinding*, where its own name suddenly stands for 127.0.0.1, read the responses,
too. The browser then still names the site: in ``Host``, which says the name that it has looked up, and in
``Origin``, which says where the page is from.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[^][:@/?#\s]+)(?::[0-9]+)?", re.IGNORECASE)


class SameOrigin:
    """ASGI middleware that refuses requests by a foreign name, and those from pages of another origin.

    :param app: handles the other requests.
    :param names: the names that the server answers to, besides those of loopback.
    """

    def __init__(self, app: ASGIApp, names: Collection[str] = ()) -> None:
        self._app = app
        self._names = frozenset(name.strip("[]").lower() for name in names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, or refuse it: 421 for a foreign name, 403 for a foreign origin."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        response = self._refusal(_values(scope, b"host"), _values(scope, b"origin"))
        if response is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await response(scope, receive, send)
        else:
            await send({"type": "websocket.close"})

    def _refusal(self, hosts: Sequence[str], origins: Sequence[str]) -> PlainTextResponse | None:
        if len(hosts) != 1 or not self._is_own_name(hosts[0]):
            return PlainTextResponse("This server does not answer to that name.\n", 421)
        own = [f"{scheme}://{hosts[0]}" for scheme in ("http", "https")]
        if any(origin not in own for origin in origins):
            return PlainTextResponse("Pages of another origin cannot send requests to this server.\n", 403)
        return None

    def _is_own_name(self, host: str) -> bool:
        match = HOST.fullmatch(host)
        if match is None:
            return False
        name = match["name"].strip("[]")
        return name in self._names or is_loopback(name)


def is_loopback(name: str) -> bool:
    """Return whether a name or an address is this machine's own, which no other site can take over.

    >>> [is_loopback(name) for name in ("localhost", "127.0.0.1", "::1", "localhost.example.org")]
    [True, True, True, False]
    """
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1").strip().lower() for key, value in scope["headers"] if key == name]
