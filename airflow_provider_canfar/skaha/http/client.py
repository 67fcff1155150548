"""The one way to the platform: authenticates, limits and retries requests, and raises our own errors."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeVar

import httpx

from airflow_provider_canfar import __version__
from airflow_provider_canfar.skaha.errors import AuthenticationError
from airflow_provider_canfar.skaha.http import body, exchange
from airflow_provider_canfar.skaha.http.response import error_from
from airflow_provider_canfar.skaha.http.retrying import RETRY_FOR, is_retryable, retrying
from airflow_provider_canfar.skaha.http.urls import hidden_words, service_url, shown
from airflow_provider_canfar.skaha.secret import Secret, concealed

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from types import TracebackType

    from airflow_provider_canfar.skaha.errors import RequestError
    from airflow_provider_canfar.skaha.http.authorization import Authorization, Credential
    from airflow_provider_canfar.skaha.http.response import ApiResponse
    from airflow_provider_canfar.skaha.http.retrying import Clock, Sleep

T = TypeVar("T")

#: A response of more bytes than this is parsed off the event loop.
LARGE_RESPONSE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """A request to the platform.

    :param path: relative to the platform's base URL.
    :param params: the query.
    :param form: the parameters of a POST, percent-encoded, for its body: a query could hold only 8 kB of
        them.
    :param headers: besides the usual ones. Not in the repr, as they may contain a secret; nor is the form.
    :param max_bytes: the most bytes of its response that are read, decompressed.
    :param keeps_end: whether the end of a longer response is returned; otherwise it is an error.
    :param secrets: what no message may repeat of it; ``public``, what it shows openly.
    :param content: makes the body of an upload, from its first byte each time the request is sent.
    :param see_other: whether a 303 is the expected response. It is not followed; ``parse`` reads its target.
    """

    method: str
    path: str
    params: Mapping[str, str] | None = None
    form: str | None = None
    headers: Mapping[str, str] | None = None
    max_bytes: int = body.MAX_RESPONSE
    keeps_end: bool = False
    secrets: tuple[str, ...] = ()
    public: tuple[str, ...] = ()
    content: Callable[[], AsyncIterator[bytes]] | None = None
    see_other: bool = False

    def __repr__(self) -> str:
        return f"Request({self.method} {self.path})"


class HttpClient:
    """Requests to one platform, as one account.

    The credential goes to that platform's host and to no other: redirects are not followed.

    :param url: the platform's base URL.
    :param credential: authenticates the requests; it may be replaced at any time.
    :param transport: sends requests, for tests.
    :param retry_for: seconds in which the last try may start; 0 for a single try.
    :param concurrency: the number of requests in flight at once.
    :param error: makes the error that an unsuccessful response of this service means.
    :param field: what of a connection has the URL, for messages.
    """

    def __init__(
        self,
        url: str,
        credential: Credential,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
        retry_for: float = RETRY_FOR,
        concurrency: int = 32,
        error: Callable[[ApiResponse], RequestError] = error_from,
        field: str = exchange.HOST,
    ) -> None:
        self.url = service_url(url)
        self._shown_url = shown(self.url)
        self._hidden_words = hidden_words(self.url)
        self.credential = credential
        self._retry_for = retry_for
        self._error = error
        self._field = field
        self._transport = transport
        self._clock = clock
        self._sleep = sleep
        self._in_flight = asyncio.Semaphore(concurrency)
        self._default_tls: ssl.SSLContext | None = None
        self._default_tls_lock = asyncio.Lock()
        self._idle_clients: list[tuple[ssl.SSLContext | None, httpx.AsyncClient]] = []
        self._is_open = False

    async def __aenter__(self) -> Self:
        self._is_open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_open = False
        while self._idle_clients:
            await self._idle_clients.pop()[1].aclose()

    async def send(
        self, request: Request, parse: Callable[[ApiResponse], T], *, timeout: float, retry: bool = True
    ) -> T:
        """Send a request and return what is parsed from its response.

        :param parse: gets a successful response; if it cannot parse it, the request has failed like any
            other.
        :param timeout: seconds to wait for the server.
        :param retry: whether to send it again after a failure. False if the server might then act twice.
        :raises RequestError: if there is no successful response.
        :raises ResponseTooLarge: if it has more than the request's ``max_bytes``.
        """

        async def send_once() -> T:
            async with self.open(request, timeout=timeout) as stream:
                limit = request.max_bytes
                ends = request.keeps_end
                read = body.read_end(stream, limit) if ends else body.read(stream, limit, request.path)
                response = self._response_of(request, stream, await read)
            if len(response.body) <= LARGE_RESPONSE:
                return parse(response)
            return await asyncio.to_thread(parse, response)

        if not retry:
            return await send_once()
        return await self.retry(send_once)

    async def retry(
        self, call: Callable[[], Awaitable[T]], *, retryable: Callable[[BaseException], bool] = is_retryable
    ) -> T:
        """Call a function under the one retry policy, for what takes more than one request.

        :param call: sends requests without a retry of their own.
        :param retryable: whether another call may succeed after an error.
        """

        async def attempt() -> T:  # tenacity awaits the result of a coroutine function only.
            return await call()

        policy = retrying(self._retry_for, sleep=self._sleep, clock=self._clock, retryable=retryable)
        return await policy(attempt)

    @asynccontextmanager
    async def stream(self, request: Request, *, timeout: float) -> AsyncIterator[httpx.Response]:
        """Send a request and return its response as it arrives. Once it has begun, there is no retry."""
        async with AsyncExitStack() as stack:

            async def begin() -> httpx.Response:
                return await stack.enter_async_context(self.open(request, timeout=timeout))

            yield await self.retry(begin)

    @asynccontextmanager
    async def open(self, request: Request, *, timeout: float) -> AsyncIterator[httpx.Response]:
        """Send a request without retry, and count it as in flight until its response has been read."""
        async with self._in_flight, AsyncExitStack() as stack:
            yield await self._send_authenticated(stack, request, timeout)

    async def _send_authenticated(
        self, stack: AsyncExitStack, request: Request, timeout: float
    ) -> httpx.Response:
        """Send a request; if the server refuses the credential and it can be refreshed, send it once more."""
        credential = self.credential
        authorization = await credential.authorize()
        try:
            return await stack.enter_async_context(self._send_single(request, timeout, authorization))
        except AuthenticationError as error:
            refused = error
        if await credential.refresh(authorization):
            authorization = await credential.authorize()
            try:
                return await stack.enter_async_context(self._send_single(request, timeout, authorization))
            except AuthenticationError as error:
                refused = error
        raise AuthenticationError(
            f"{refused} The credential was {credential.name}. {credential.renewal}", **refused.facts
        ) from refused

    @asynccontextmanager
    async def _send_single(
        self, request: Request, timeout: float, authorization: Authorization
    ) -> AsyncIterator[httpx.Response]:
        headers = {**concealed(request.headers or {}), **concealed(authorization.headers)}
        secrets = (
            *self._hidden_words,
            *request.secrets,
            *(Secret(value.rpartition(" ")[2]) for value in headers.values()),
        )
        if request.form is not None:
            headers["Content-Type"] = exchange.FORM_TYPE
        async with self._borrowed_client(authorization.tls) as client:
            with exchange.translate_errors(
                request.method, request.path, self._shown_url, secrets, field=self._field
            ):
                async with client.stream(
                    request.method,
                    f"{self.url}/{request.path}",
                    params=request.params,
                    headers=headers,
                    content=request.content() if request.content else request.form and Secret(request.form),
                    timeout=exchange.timeout(timeout),
                ) as response:
                    is_expected = request.see_other and response.status_code == httpx.codes.SEE_OTHER
                    if not (is_expected or self._response_of(request, response).is_success):
                        # In no variable: the server may repeat the request.
                        raise self._error(
                            self._response_of(request, response, await body.read_start(response))
                        )
                    yield response

    def _response_of(self, request: Request, response: httpx.Response, content: bytes = b"") -> ApiResponse:
        return exchange.response_of(
            response,
            request.path,
            self._shown_url,
            content,
            secrets=(*self._hidden_words, *request.secrets),
            public=request.public,
        )

    @asynccontextmanager
    async def _borrowed_client(self, tls: ssl.SSLContext | None) -> AsyncIterator[httpx.AsyncClient]:
        """Lend a client to one request at a time: the one used last, or a new one.

        A client shared by all would look at each of its connections for each request; with 32 at once, that
        takes longer than the requests (httpcore's AsyncConnectionPool).
        """
        client = await self._idle_client(tls) or await self._new_client(tls)
        try:
            yield client
        finally:
            if self._is_open:
                self._idle_clients.append((tls, client))
            else:
                await client.aclose()

    async def _idle_client(self, tls: ssl.SSLContext | None) -> httpx.AsyncClient | None:
        if not self._is_open:
            raise RuntimeError("The client is not open. Use it as `async with SkahaClient(...) as client:`.")
        while self._idle_clients:
            its_tls, client = self._idle_clients.pop()
            if its_tls is tls:
                return client
            await client.aclose()  # Its certificate has been renewed.
        return None

    async def _new_client(self, tls: ssl.SSLContext | None) -> httpx.AsyncClient:
        async with self._default_tls_lock:
            if tls is None and self._default_tls is None and self._transport is None:
                self._default_tls = await asyncio.to_thread(exchange.tls_context, self.url)
        return exchange.new_client(
            self.url,
            verify=tls or self._default_tls or True,
            transport=self._transport,
            headers={
                "Accept": "application/json, text/plain",
                "Accept-Encoding": body.ACCEPT_ENCODING,
                "User-Agent": f"airflow-provider-canfar/{__version__}",
            },
        )
