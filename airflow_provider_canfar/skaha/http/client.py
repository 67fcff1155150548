"""The one way to the platform: a request is signed, bounded, tried again by policy, and told as an error."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeVar

from airflow_provider_canfar import __version__
from airflow_provider_canfar.skaha import wire
from airflow_provider_canfar.skaha.errors import AuthenticationError
from airflow_provider_canfar.skaha.http import exchange
from airflow_provider_canfar.skaha.http.response import error_from
from airflow_provider_canfar.skaha.http.retrying import RETRY_FOR, retrying

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Mapping
    from types import TracebackType

    import httpx

    from airflow_provider_canfar.skaha.credentials import Authorization, Credential
    from airflow_provider_canfar.skaha.http.response import ApiResponse
    from airflow_provider_canfar.skaha.http.retrying import Clock, Sleep

T = TypeVar("T")

#: An answer of more bytes than this is read off the event loop.
LARGE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """A request to the platform.

    :param path: relative to the platform's base URL.
    :param params: the query.
    :param form: the parameters of a POST, in its body: a query would hold but 8 kB of them.
    :param headers: besides the usual ones. Not in the repr, as they may hold a secret; nor is the form.
    """

    method: str
    path: str
    params: Mapping[str, str] | None = None
    form: tuple[tuple[str, str], ...] | None = None
    headers: Mapping[str, str] | None = None

    def __repr__(self) -> str:
        return f"Request({self.method} {self.path})"


class HttpClient:
    """Requests to one platform, as one account.

    The credential goes to that platform's host and to no other: no redirect is followed.

    :param url: the platform's base URL.
    :param credential: who asks.
    :param retry_for: seconds within which a last try may begin; 0 for a single try.
    :param concurrency: how many requests are under way at once.
    :param transport: what carries requests, for tests.
    """

    def __init__(
        self,
        url: str,
        credential: Credential,
        *,
        retry_for: float = RETRY_FOR,
        concurrency: int = 32,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.url = wire.service_url(url)
        self.credential = credential
        self._retry_for = retry_for
        self._transport = transport
        self._clock = clock
        self._sleep = sleep
        self._free = asyncio.Semaphore(concurrency)
        self._trust: ssl.SSLContext | None = None
        self._trusting = asyncio.Lock()
        self._idle: list[tuple[ssl.SSLContext | None, httpx.AsyncClient]] = []
        self._is_open = False

    async def __aenter__(self) -> Self:
        self._is_open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_open = False
        while self._idle:
            await self._idle.pop()[1].aclose()

    async def send(
        self, request: Request, read: Callable[[ApiResponse], T], *, timeout: float, retry: bool = True
    ) -> T:
        """Send a request and return what is read from its answer.

        :param read: takes a good answer; what it cannot read is as bad an answer as any other.
        :param timeout: seconds to wait for the server.
        :param retry: whether it may be sent again. False where the server might do twice what is asked.
        :raises RequestError: when there is no good answer.
        """

        async def once() -> T:
            async with self._send_once(request, timeout) as response:
                answer = exchange.response_of(response, request.path, self.url, await response.aread())
            if len(answer.body) <= LARGE:
                return read(answer)
            return await asyncio.to_thread(read, answer)

        if not retry:
            return await once()
        return await retrying(self._retry_for, sleep=self._sleep, clock=self._clock)(once)

    @asynccontextmanager
    async def stream(self, request: Request, *, timeout: float) -> AsyncIterator[httpx.Response]:
        """Send a request and return its answer as it comes. Once it has begun, it is not asked for again."""
        async with AsyncExitStack() as stack:

            async def begin() -> httpx.Response:
                return await stack.enter_async_context(self._send_once(request, timeout))

            yield await retrying(self._retry_for, sleep=self._sleep, clock=self._clock)(begin)

    @asynccontextmanager
    async def _send_once(self, request: Request, timeout: float) -> AsyncIterator[httpx.Response]:
        """Send a request in one try, and hold a place among those under way until its answer is read."""
        async with self._free, AsyncExitStack() as stack:
            yield await self._send_authenticated(stack, request, timeout)

    async def _send_authenticated(
        self, stack: AsyncExitStack, request: Request, timeout: float
    ) -> httpx.Response:
        """Send a request; where the credential is refused and there is another, once more with that."""
        authorization = await self.credential.authorize()
        try:
            return await stack.enter_async_context(self._send_single(request, timeout, authorization))
        except AuthenticationError as error:
            refused = error
        if await self.credential.refresh(authorization):
            authorization = await self.credential.authorize()
            try:
                return await stack.enter_async_context(self._send_single(request, timeout, authorization))
            except AuthenticationError as error:
                refused = error
        raise self._explained(refused) from refused

    @asynccontextmanager
    async def _send_single(
        self, request: Request, timeout: float, authorization: Authorization
    ) -> AsyncIterator[httpx.Response]:
        headers = {**(request.headers or {}), **authorization.headers}
        content = None
        if request.form is not None:
            headers["Content-Type"] = wire.FORM_TYPE
            content = wire.form_body(request.form)
        async with self._connection(authorization.tls) as client:
            with exchange.translate_errors(request.method, request.path, self.url):
                async with client.stream(
                    request.method,
                    f"{self.url}/{request.path}",
                    params=request.params,
                    headers=headers,
                    content=content,
                    timeout=exchange.timeout(timeout),
                ) as response:
                    if not exchange.response_of(response, request.path, self.url).is_good:
                        body = await response.aread()
                        raise error_from(exchange.response_of(response, request.path, self.url, body))
                    yield response

    @asynccontextmanager
    async def _connection(self, tls: ssl.SSLContext | None) -> AsyncIterator[httpx.AsyncClient]:
        """Lend a client that nobody else uses meanwhile: the one that was used last, or a new one.

        One that all share would look at each of its connections for each request; with 32 at once, that takes
        longer than the requests (httpcore's AsyncConnectionPool).
        """
        client = await self._take(tls)
        try:
            yield client
        finally:
            if self._is_open:
                self._idle.append((tls, client))
            else:
                await client.aclose()

    async def _take(self, tls: ssl.SSLContext | None) -> httpx.AsyncClient:
        if not self._is_open:
            raise RuntimeError("The client is not open. Use it as `async with SkahaClient(...) as client:`.")
        while self._idle:
            its_tls, client = self._idle.pop()
            if its_tls is tls:
                return client
            await client.aclose()  # Its certificate has been renewed.
        async with self._trusting:
            if tls is None and self._trust is None and self._transport is None:
                self._trust = await asyncio.to_thread(exchange.tls_context, self.url)
        return exchange.new_client(
            self.url,
            verify=tls or self._trust or True,
            transport=self._transport,
            headers={
                "Accept": "application/json, text/plain",
                "User-Agent": f"airflow-provider-canfar/{__version__}",
            },
        )

    def _explained(self, error: AuthenticationError) -> AuthenticationError:
        return AuthenticationError(
            f"{error} That was with {self.credential.name}. {self.credential.renewal}",
            method=error.method,
            path=error.path,
            status=error.status,
            server_message=error.server_message,
            maybe_applied=error.maybe_applied,
        )
