"""Whether an interactive session's page responds, as a browser would find it."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import httpx

from airflow_provider_canfar.skaha.http import exchange

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds to wait for a page. One that responds at all does so quickly.
PAGE_TIMEOUT = 10.0


async def responds(
    url: str,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    tls_context: Callable[[str], ssl.SSLContext] = exchange.tls_context,
) -> bool:
    """Request a page, and return whether its program responds.

    A session is Running some seconds before its program listens; until then the platform's proxy responds
    404, 502 or 503. A page that asks for a login, or redirects the browser, counts as a response. The request
    carries no credential.

    :param url: a session's connect URL.
    :param transport: sends the request, for tests.
    :param tls_context: returns the TLS context for a URL.
    """
    tls = await asyncio.to_thread(tls_context, url)
    timeout = exchange.timeout(PAGE_TIMEOUT)
    async with httpx.AsyncClient(verify=tls, transport=transport, timeout=timeout) as client:
        try:
            async with client.stream("GET", url) as response:
                return response.status_code < 500 and response.status_code != httpx.codes.NOT_FOUND
        except (httpx.RequestError, httpx.InvalidURL, ssl.SSLError):
            return False
