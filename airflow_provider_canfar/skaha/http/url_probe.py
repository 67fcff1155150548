"""The page of an interactive session, as a browser would ask for it."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import httpx

from airflow_provider_canfar.skaha.http import exchange

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds that a page may take. One that answers at all does so soon.
PAGE_TIMEOUT = 10.0


async def answers(
    url: str,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    tls_context: Callable[[str], ssl.SSLContext] = exchange.tls_context,
) -> bool:
    """Ask for a page, and tell whether somebody is there.

    A session is Running some seconds before its program listens; until then the platform's proxy answers 404,
    502 or 503. A page that asks for a login, or sends the browser elsewhere, is there. No credential goes
    along.

    :param url: a session's connect URL.
    :param transport: what carries the request, for tests.
    :param tls_context: makes the TLS context for a URL.
    """
    tls = await asyncio.to_thread(tls_context, url)
    timeout = exchange.timeout(PAGE_TIMEOUT)
    async with httpx.AsyncClient(verify=tls, transport=transport, timeout=timeout) as client:
        try:
            async with client.stream("GET", url) as response:
                return response.status_code < 500 and response.status_code != httpx.codes.NOT_FOUND
        except (httpx.RequestError, httpx.InvalidURL, ssl.SSLError):
            return False
