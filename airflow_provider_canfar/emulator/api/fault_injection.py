"""Applies the faults to requests and responses."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from starlette.requests import Request

from airflow_provider_canfar.emulator.api.disconnect import Disconnect, wait_for_disconnect
from airflow_provider_canfar.emulator.api.fault_responses import fault_response, repeating
from airflow_provider_canfar.emulator.faults.request_faults import (
    DropAfter,
    DropBefore,
    Latency,
    Outage,
    Repeat,
    Truncated,
)

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from airflow_provider_canfar.emulator.api.disconnect import CloseConnection
    from airflow_provider_canfar.emulator.api.request_counter import RequestCounter
    from airflow_provider_canfar.emulator.faults.switched import Faults, RequestFaults

OUTAGE_CHECK_INTERVAL = 0.05


class FaultInjection:
    """ASGI middleware that applies the faults; the emulator's own page and endpoints are exempt.

    :param app: handles the requests.
    :param faults: the faults that are switched on.
    :param request_counter: counts every request that arrives, with or without a response.
    :param close_connection: closes the connection of a client, given by its address.
    """

    def __init__(
        self,
        app: ASGIApp,
        faults: Faults,
        request_counter: RequestCounter,
        close_connection: CloseConnection,
    ) -> None:
        self._app = app
        self._faults = faults
        self._request_counter = request_counter
        self._disconnect = Disconnect(close_connection)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, or make it fail."""
        if scope["type"] != "http" or scope["path"] == "/" or scope["path"].startswith("/emulator"):
            await self._app(scope, receive, send)
            return
        method, path = scope["method"], scope["path"]
        self._request_counter.count(method, path, scope["query_string"])
        faults = self._faults.for_request(method, path)
        latency = faults.fire(Latency)
        if latency:
            await asyncio.sleep(latency.seconds)
        outage = faults.fire(Outage)
        if outage and outage.mode == "hang":
            await self._hang(outage, receive)
        if (outage and outage.mode != "busy") or faults.fire(DropBefore):
            await self._disconnect(scope, receive, send)
            return
        response = fault_response(faults, outage, time.time())
        if response is None and (repeat := faults.fire(Repeat)):
            response = await repeating(repeat, Request(scope, receive))
        if response:
            await response(scope, receive, send)
        else:
            await self._handle(faults, scope, receive, send)

    async def _handle(self, faults: RequestFaults, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle the request; drop the response, or half of it, if a fault does so."""
        drop, truncate = faults.fire(DropAfter), faults.fire(Truncated)
        if not (drop or truncate):
            await self._app(scope, receive, send)
            return
        messages: list[Message] = []

        async def collect(message: Message) -> None:
            messages.append(message)

        await self._app(scope, receive, collect)
        if drop or not messages:  # Without messages, the application has closed the connection itself.
            await self._disconnect(scope, receive, send)
            return
        start, *bodies = messages
        body = b"".join(message.get("body", b"") for message in bodies)
        half = body[: len(body) // 2]
        headers = [(name, value) for name, value in start["headers"] if name != b"content-length"]
        await send({**start, "headers": [*headers, (b"content-length", str(len(half)).encode())]})
        await send({"type": "http.response.body", "body": half})

    async def _hang(self, outage: Outage, receive: Receive) -> None:
        """Send no response until the client disconnects or the outage ends."""
        disconnected = asyncio.create_task(wait_for_disconnect(receive))
        try:
            while self._faults.get(Outage) is outage and not disconnected.done():
                await asyncio.wait([disconnected], timeout=OUTAGE_CHECK_INTERVAL)
        finally:
            disconnected.cancel()
