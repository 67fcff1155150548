"""The one way to the platform: authenticates, limits and retries requests, and raises our own errors."""

from __future__ import annotations

import asyncio
import threading
import traceback
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from airflow_provider_canfar.skaha import wire
from airflow_provider_canfar.skaha.client import SkahaClient, Timeouts
from airflow_provider_canfar.skaha.credentials import Authorization, RegistryCredential, Token
from airflow_provider_canfar.skaha.errors import (
    AuthenticationError,
    Rejected,
    RequestError,
    ServerError,
    ServiceBusy,
    SpecError,
    Unreachable,
)
from airflow_provider_canfar.skaha.http import client as http

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from airflow_provider_canfar.skaha.http.response import ApiResponse
    from tests.skaha.conftest import Platform, Serve, Time

    MakeClient = Callable[..., SkahaClient]

EMPTY = httpx.Response(200, json=[])
CREATED = httpx.Response(200, text="k3v9x2qa\n")
SPEC: dict[str, Any] = {"name": "stars", "image": "skaha/astroml:24.07"}


class Renewable:
    """A credential with several tokens, one after the other."""

    name = "a renewable token"
    renewal = "Wind it up again."
    expires_at: datetime | None = None

    def __init__(self, *tokens: str) -> None:
        self._left = [Authorization({"Authorization": f"Bearer {token}"}) for token in tokens]
        self.refreshed = 0

    async def authorize(self) -> Authorization:
        return self._left[0]

    async def refresh(self, rejected: Authorization) -> bool:
        if rejected is self._left[0] and len(self._left) > 1:
            self.refreshed += 1
            self._left.pop(0)
        return rejected is not self._left[0]


def accepting(*tokens: str) -> Callable[[httpx.Request], httpx.Response]:
    """Respond 401 to any other token."""

    def respond(request: httpx.Request) -> httpx.Response:
        if request.headers["Authorization"].removeprefix("Bearer ") in tokens:
            return httpx.Response(200, json=[])
        return httpx.Response(401, text="invalid token", headers={"WWW-Authenticate": "Bearer"})

    return respond


async def test_a_request_has_the_credential_and_our_user_agent(
    platform: Platform, client: SkahaClient
) -> None:
    platform.on("GET", "session", EMPTY)
    await client.fetch()
    (request,) = platform.requests
    assert str(request.url) == "https://skaha.test/skaha/v1/session"
    assert request.headers["Authorization"] == "Bearer a-token"
    assert request.headers["User-Agent"].startswith("airflow-provider-canfar/")


async def test_parameters_go_in_a_form_of_utf_8_and_never_in_the_url(
    platform: Platform, client: SkahaClient
) -> None:
    """Without the type the server reads no parameter; without the charset it reads ISO-8859-1."""
    platform.on("POST", "session", CREATED)
    await client.create(**SPEC, command=["echo", "Ångström"], env={"BAND": "r"})
    (request,) = platform.requests
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded; charset=UTF-8"
    assert request.url.query == b""
    assert b"env=BAND" in request.content or b"args=" in request.content


async def test_redirects_are_not_followed(platform: Platform, client: SkahaClient) -> None:
    platform.on("GET", "session", httpx.Response(302, headers={"Location": "https://evil.test/skaha/v1"}))
    with pytest.raises(Rejected, match=r"https://evil\.test"):
        await client.fetch()
    assert [request.url.host for request in platform.requests] == ["skaha.test"]


async def test_a_url_that_would_expose_the_credential_is_rejected_before_any_request(
    make_client: MakeClient,
) -> None:
    with pytest.raises(SpecError, match="plain http"):
        SkahaClient("http://ws-uv.canfar.net/skaha/v1", Token("a-token"))


async def test_the_error_about_a_closed_client_says_how_to_open_it(make_client: MakeClient) -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await make_client().fetch()


# The credential.


async def test_a_hundred_refused_requests_refresh_the_credential_once_and_succeed(
    platform: Platform, make_client: MakeClient, time: Time
) -> None:
    platform.on("GET", "session", accepting("second"))
    credential = Renewable("first", "second")
    async with make_client(credential) as client:
        lists = await asyncio.gather(*(client.fetch() for _ in range(100)))
    assert lists == [[]] * 100
    assert credential.refreshed == 1
    assert time.slept == []


async def test_a_create_is_sent_once_more_after_its_credential_was_refused(
    platform: Platform, make_client: MakeClient
) -> None:
    """A 401 is certain: nothing was created."""
    platform.on("POST", "session", httpx.Response(401, text="invalid token"), CREATED)
    async with make_client(Renewable("first", "second")) as client:
        assert await client.create(**SPEC) == ["k3v9x2qa"]


async def test_a_credential_is_refreshed_once_and_then_the_error_says_which_and_how_to_renew_it(
    platform: Platform, make_client: MakeClient, time: Time
) -> None:
    platform.on("GET", "session", accepting("none"))
    async with make_client(Renewable("first", "second", "third")) as client:
        with pytest.raises(AuthenticationError) as rejection:
            await client.fetch()
    for words in ("invalid token", "a renewable token", "Wind it up again."):
        assert words in str(rejection.value)
    assert len(platform.requests) == 2
    assert time.slept == []


async def test_a_400_for_an_anonymous_request_is_about_the_credential(
    platform: Platform, client: SkahaClient
) -> None:
    """The server responds 400 without a credential, for example if a proxy has removed the header."""
    platform.on("GET", "session", httpx.Response(400, text="cannot get group memberships for anonymous\n"))
    with pytest.raises(AuthenticationError, match="the bearer token"):
        await client.fetch()


# Reads and deletes are retried.

TRANSIENT: dict[str, httpx.Response | Exception] = {
    "429": httpx.Response(429),
    "500 of the server": httpx.Response(500, text="unexpected exception: java.lang.RuntimeException: x"),
    "500 page": httpx.Response(500, html="<h1>Internal Server Error</h1>"),
    "502 page": httpx.Response(502, html="<h1>Bad Gateway</h1>"),
    "503": httpx.Response(503, text="temporarily unavailable: x", headers={"Retry-After": "30"}),
    "504": httpx.Response(504),
    "200 page": httpx.Response(200, html="<p>Sign in</p>"),
    "truncated JSON": httpx.Response(200, text='[{"id": "k3v9x2qa", "sta'),
    "404 of a proxy": httpx.Response(404, text="404 page not found\n"),
    "refused": httpx.ConnectError("Connection refused"),
    "no such host": httpx.ConnectError("Name or service not known"),
    "no connection in time": httpx.ConnectTimeout(""),
    "nothing in time": httpx.ReadTimeout(""),
    "reset": httpx.ReadError("Connection reset by peer"),
    "cut off": httpx.RemoteProtocolError("Server disconnected without sending a response."),
}


@pytest.mark.parametrize("fault", TRANSIENT.values(), ids=TRANSIENT.keys())
async def test_a_read_survives_transient_faults(
    platform: Platform, client: SkahaClient, time: Time, fault: httpx.Response | Exception
) -> None:
    platform.on("GET", "session", fault, fault, EMPTY)
    assert await client.fetch() == []
    assert len(time.slept) == 2


@pytest.mark.parametrize("fault", TRANSIENT.values(), ids=TRANSIENT.keys())
async def test_without_retries_a_fault_is_raised_at_once(
    platform: Platform, make_client: MakeClient, time: Time, fault: httpx.Response | Exception
) -> None:
    platform.on("GET", "session", fault)
    async with make_client(retry_for=0) as client:
        with pytest.raises((ServiceBusy, ServerError, Unreachable)) as raised:
            await client.fetch()
    assert raised.value.retryable
    assert len(platform.requests) == 1
    assert time.slept == []


async def test_retry_after_is_honoured(platform: Platform, client: SkahaClient, time: Time) -> None:
    platform.on("GET", "session", TRANSIENT["503"], EMPTY)
    await client.fetch()
    assert 30.0 <= sum(time.slept) <= 31.0


async def test_retries_stop_when_their_time_is_over(
    platform: Platform, make_client: MakeClient, time: Time
) -> None:
    platform.on("GET", "session", httpx.ConnectError("Connection refused"))
    async with make_client(retry_for=60) as client:
        with pytest.raises(Unreachable, match="Connection refused"):
            await client.fetch()
    assert len(platform.requests) > 1
    assert sum(time.slept) < 60


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (400, "Missing parameter 'image'"),
        (403, "Not authorized to use the skaha system"),
        (413, "limit: 2097152"),
    ],
)
async def test_a_rejection_has_the_servers_own_sentence_and_is_not_retried(
    platform: Platform, client: SkahaClient, status: int, sentence: str
) -> None:
    platform.on("GET", "session", httpx.Response(status, text=f"{sentence}\n"))
    with pytest.raises(Rejected, match=sentence) as rejection:
        await client.fetch()
    assert rejection.value.server_message == sentence
    assert len(platform.requests) == 1


# A create is sent once.


@pytest.mark.parametrize(
    ("fault", "maybe_applied"),
    [
        (httpx.ConnectError("Connection refused"), False),
        (httpx.ConnectTimeout(""), False),
        (httpx.Response(400, text="Missing parameter 'image'"), False),
        (httpx.Response(413), False),
        (httpx.Response(429), False),
        (httpx.Response(401), False),
        (httpx.ReadTimeout(""), True),
        (httpx.WriteTimeout(""), True),
        (httpx.ReadError("Connection reset by peer"), True),
        (httpx.RemoteProtocolError("Server disconnected without sending a response."), True),
        (httpx.Response(500, text="unexpected exception: x"), True),
        (httpx.Response(503, headers={"Retry-After": "1"}), True),
        (httpx.Response(504, html="<h1>Gateway Time-out</h1>"), True),
        (httpx.Response(200, html="<p>Sign in</p>"), True),
        (httpx.Response(200, text=""), True),
    ],
)
async def test_a_create_is_sent_once_and_its_error_says_whether_it_may_have_been_applied(
    platform: Platform,
    client: SkahaClient,
    time: Time,
    fault: httpx.Response | Exception,
    maybe_applied: bool,
) -> None:
    platform.on("POST", "session", fault)
    with pytest.raises(RequestError) as raised:
        await client.create(**SPEC)
    assert raised.value.maybe_applied is maybe_applied
    assert len(platform.requests) == 1
    assert time.slept == []


async def test_a_create_may_take_longer_than_anything_else(platform: Platform, client: SkahaClient) -> None:
    platform.on("POST", "session", CREATED)
    platform.on("GET", "session", EMPTY)
    await client.create(**SPEC)
    await client.fetch()
    assert [request.extensions["timeout"]["read"] for request in platform.requests] == [180.0, 60.0]


# Real sockets.


def alone(url: str, **options: Any) -> SkahaClient:
    return SkahaClient(url, Token("a-token"), retry_for=0, **options)


async def test_a_platform_that_hangs_is_unreachable_after_the_timeout(serve: Serve) -> None:
    with serve(lambda *_: None) as url:
        async with alone(url, timeouts=Timeouts(create=0.1, other=0.1)) as client:
            with pytest.raises(Unreachable, match="within the timeout") as timeout:
                await client.create(**SPEC)
    assert timeout.value.maybe_applied


async def test_a_create_may_have_been_applied_if_the_server_closes_the_connection(serve: Serve) -> None:
    with serve(lambda *_: b"") as url:
        async with alone(url) as client:
            with pytest.raises(Unreachable) as reset:
                await client.create(**SPEC)
    assert reset.value.maybe_applied


async def test_a_create_may_have_been_applied_if_its_response_is_truncated(serve: Serve) -> None:
    with serve(lambda *_: b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nk3v9") as url:
        async with alone(url) as client:
            with pytest.raises(Unreachable) as reset:
                await client.create(**SPEC)
    assert reset.value.maybe_applied


async def test_a_create_on_a_closed_port_has_certainly_not_been_applied(serve: Serve) -> None:
    with serve(lambda *_: b"") as url:
        pass
    async with alone(url) as client:
        with pytest.raises(Unreachable, match="No response from") as rejection:
            await client.create(**SPEC)
    assert not rejection.value.maybe_applied


async def test_requests_to_this_machine_bypass_the_proxy_of_the_environment(
    serve: Serve, raw: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy would see the credential in plain text."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with serve(lambda *_: raw(200, "[]")) as url:
        async with alone(url) as client:
            assert await client.fetch() == []


@pytest.mark.parametrize("proxy", ["ftp://127.0.0.1:9", "http://me:s3cr3t@127.0.0.1:none"])
async def test_the_error_about_an_invalid_proxy_has_no_password(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    async with alone("https://skaha.test/skaha/v1") as client:
        with pytest.raises(
            SpecError, match=r"Invalid proxy in the environment .* add skaha\.test to NO_PROXY"
        ) as rejection:
            await client.fetch()
    assert "s3cr3t" not in str(rejection.value)


@pytest.mark.parametrize("status", [200, 400, 401, 500])
async def test_credentials_that_the_server_repeats_are_masked(serve: Serve, status: int) -> None:
    """Like a proxy's page about a header that is too long, or a service that echoes its request."""

    def repeat(head: str, _: bytes) -> bytes:
        return f"HTTP/1.1 {status} -\r\nConnection: close\r\n\r\n{' '.join(head.splitlines())}".encode()

    registry = RegistryCredential("mcurie", "s3cr3t")
    (secret,) = registry.headers().values()
    with serve(repeat) as url:
        async with alone(url, registry=registry) as client:
            with pytest.raises(RequestError, match=r"(?i)authorization: Bearer \*\*\*") as raised:
                await client.create(**SPEC)
    text = "".join(traceback.format_exception(raised.value)) + raised.value.server_message
    assert "x-skaha-registry-auth: ***" in text
    assert secret not in text
    assert "a-token" not in text


# Requests in flight, and threads.


class Counting(httpx.AsyncBaseTransport):
    """Counts the requests in flight."""

    def __init__(self) -> None:
        self.now = self.most = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.001)
        self.now -= 1
        return httpx.Response(200, text="k3v9x2qa\n")


async def test_the_number_of_requests_in_flight_is_limited(make_client: MakeClient) -> None:
    transport = Counting()
    async with make_client(transport=transport, concurrency=4) as client:
        await client.create(**SPEC, replicas=20)
    assert transport.most == 4


async def test_a_request_that_waits_for_a_retry_is_not_in_flight(
    platform: Platform, make_client: MakeClient
) -> None:
    fetched = asyncio.Event()

    async def until_the_other_is_done(_: float) -> None:
        await fetched.wait()

    platform.on("GET", "session", httpx.Response(500), EMPTY)
    platform.on("GET", "repository", httpx.Response(200, json=[]))
    async with make_client(concurrency=1, sleep=until_the_other_is_done) as client:
        patient = asyncio.create_task(client.fetch())
        await client.repositories()
        fetched.set()
        assert await patient == []


@pytest.mark.parametrize(("sessions", "in_a_thread"), [(10, False), (3000, True)])
async def test_a_large_list_is_parsed_off_the_event_loop(
    platform: Platform, make_client: MakeClient, sessions: int, in_a_thread: bool
) -> None:
    platform.on(
        "GET",
        "session",
        httpx.Response(200, json=[{"id": f"a{i}", "image": "x" * 100} for i in range(sessions)]),
    )
    threads = []

    def parse(response: ApiResponse) -> int:
        threads.append(threading.current_thread())
        return len(wire.sessions(response))

    async with http.HttpClient(
        "https://skaha.test/skaha/v1", Token("a-token"), transport=platform.transport
    ) as client:
        assert await client.send(http.Request("GET", "session"), parse, timeout=1) == sessions
    assert (threads[0] is not threading.main_thread()) is in_a_thread
