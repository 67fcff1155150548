"""Reads the body of a request that should be a short one, without keeping more of it than that."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import Request

#: Bytes of a form or of an argument of the admin API (Tomcat's *maxPostSize*).
MAX_BODY = 2 * 1024 * 1024


async def read_body(request: Request) -> bytes | None:
    """Return a body, or None for one of more than :data:`MAX_BODY`; uvicorn reads and drops its rest.

    The files that a client sends have no such limit, so their routes read ``request.stream()`` instead.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            return None
    return bytes(body)
