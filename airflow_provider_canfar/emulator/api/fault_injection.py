"""Carries the faults out: what goes wrong between a request and its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_canfar.emulator.api.http_errors import HttpError, busy, unexpected
from airflow_provider_canfar.emulator.api.responses import refused

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from airflow_provider_canfar.emulator.api.request_counter import RequestCounter
    from airflow_provider_canfar.emulator.faults import Fault, Faults

Strike = Callable[[str], "Fault | None"]

PROXY_PAGE = "<html><body><h1>502 Bad Gateway</h1>\nThe server returned an invalid response.\n</body></html>"
ENDED_TOKEN = "token is invalid or has expired"  # noqa: S105 - a sentence about one
LOOK_EVERY = 0.05


class FaultInjection:
    """The application with the faults in front of it; the emulator's own page and endpoints never fail.

    :param app: what answers when nothing goes wrong.
    :param faults: what goes wrong.
    :param traffic: counts every request that comes in, answered or not.
    :param hang_up: closes the connection of a client, given by its address.
    """

    def __init__(
        self, app: ASGIApp, faults: Faults, traffic: RequestCounter, hang_up: Callable[[Any], None]
    ) -> None:
        self._app = app
        self._faults = faults
        self._traffic = traffic
        self._hang_up = hang_up

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or fail to."""
        if scope["type"] != "http" or scope["path"] == "/" or scope["path"].startswith("/emulator"):
            await self._app(scope, receive, send)
            return
        method, path = scope["method"], scope["path"]
        self._traffic.count(method, path, scope["query_string"])
        strike = partial(self._faults.strike, method=method, path=path)
        latency = strike("latency")
        if latency:
            await asyncio.sleep(latency.seconds)
        outage = strike("outage")
        if outage and outage.mode == "hang":
            await self._hang(outage, receive)
        if (outage and outage.mode != "busy") or strike("drop_before"):
            await self._close(scope, receive)
            return
        refusal = _refusal(outage, strike, path)
        if refusal:
            await refused(refusal)(scope, receive, send)
        else:
            await self._answer(strike, scope, receive, send)

    async def _answer(self, strike: Strike, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the request done; lose the answer, or half of it, if a fault says so."""
        drop, cut = strike("drop_after"), strike("truncated")
        if not (drop or cut):
            await self._app(scope, receive, send)
            return
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self._app(scope, receive, keep)
        if drop:
            await self._close(scope, receive)
            return
        start, *bodies = messages
        whole = b"".join(message.get("body", b"") for message in bodies)
        half = whole[: len(whole) // 2]
        headers = [(name, value) for name, value in start["headers"] if name != b"content-length"]
        await send({**start, "headers": [*headers, (b"content-length", str(len(half)).encode())]})
        await send({"type": "http.response.body", "body": half})

    async def _hang(self, outage: Fault, receive: Receive) -> None:
        """Leave a client without an answer until it goes, or the outage ends."""
        gone = asyncio.create_task(_until_gone(receive))
        try:
            while self._faults.get("outage") is outage and not gone.done():
                await asyncio.wait([gone], timeout=LOOK_EVERY)
        finally:
            gone.cancel()

    async def _close(self, scope: Scope, receive: Receive) -> None:
        self._hang_up(scope["client"])
        await _until_gone(receive)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _refusal(outage: Fault | None, strike: Strike, path: str) -> HttpError | None:
    """Return the answer of a fault that keeps the request from being done."""
    unavailable = outage or strike("busy")
    if unavailable:
        return busy("session", unavailable.retry_after)
    if strike("html"):
        return HttpError(502, PROXY_PAGE, {"Content-Type": "text/html"})
    if path != "/ac/login" and strike("expired_token"):
        challenge = f'Bearer error="invalid_token", error_description="{ENDED_TOKEN}"'
        return HttpError(401, ENDED_TOKEN, {"WWW-Authenticate": challenge})
    if strike("server_error"):
        return unexpected("java.lang.IllegalStateException: a fault that was asked for")
    return None
