"""A scripted platform, scripted time, and our own certificates."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import takewhile
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from airflow_provider_canfar.skaha.client import SkahaClient
from airflow_provider_canfar.skaha.credentials import Credential, Token

URL = "https://skaha.test/skaha/v1"

Scripted = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


class Platform:
    """Sends the scripted responses to each kind of request in turn, and the last one again and again."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self._responses: dict[tuple[str, str], list[Scripted]] = {}

    def on(self, method: str, path: str, *responses: Scripted) -> None:
        self._responses[method, path] = list(responses)

    def received(self, method: str, path: str) -> list[httpx.Request]:
        return [one for one in self.requests if (one.method, self._path(one)) == (method, path)]

    @property
    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self._respond)

    def _path(self, request: httpx.Request) -> str:
        return request.url.path.removeprefix("/skaha/v1/")

    def _respond(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        responses = self._responses[request.method, self._path(request)]
        response = responses.pop(0) if len(responses) > 1 else responses[0]
        if isinstance(response, Exception):
            raise response
        if isinstance(response, httpx.Response):
            return httpx.Response(response.status_code, headers=response.headers, content=response.content)
        return response(request)


class Time:
    """Seconds that pass in a sleep."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


@pytest.fixture(name="platform")
def _platform() -> Platform:
    return Platform()


@pytest.fixture(name="time")
def _time() -> Time:
    return Time()


@pytest.fixture(name="make_client")
def _make_client(platform: Platform, time: Time) -> Callable[..., SkahaClient]:
    """Return a function that creates clients of the scripted platform, on the scripted time."""

    def make(credential: Credential | None = None, **options: Any) -> SkahaClient:
        settings: dict[str, Any] = {
            "transport": platform.transport,
            "clock": time.clock,
            "sleep": time.sleep,
        }
        return SkahaClient(URL, credential or Token("a-token"), **(settings | options))

    return make


@pytest.fixture(name="client")
async def _client(make_client: Callable[..., SkahaClient]) -> AsyncIterator[SkahaClient]:
    async with make_client() as client:
        yield client


@pytest.fixture(name="sample", scope="session")
def _sample() -> Callable[[str], bytes]:
    """Return a function that reads a server's recorded response."""
    folder = Path(__file__).parents[1] / "samples"
    return lambda name: folder.joinpath(name).read_bytes()


#: Gets a request's head and body, and returns the bytes to send; b"" to hang up; None to hang.
Respond = Callable[[str, bytes], bytes | None]
Serve = Callable[..., AbstractContextManager[str]]


def converse(client: socket.socket, respond: Respond) -> None:
    """Read one request and respond."""
    with client.makefile("rb") as stream:
        lines = takewhile(lambda line: line != b"\r\n", iter(stream.readline, b""))
        head = "".join(line.decode("latin-1") for line in lines)
        if not head:  # The client gave up before it sent anything.
            return
        length = re.search(r"(?i)^content-length: *(\d+)", head, re.MULTILINE)
        response = respond(head, stream.read(int(length[1]) if length else 0))
        if response is None:
            stream.read()  # Until the client gives up.
        else:
            client.sendall(response)


def receive(client: socket.socket, respond: Respond) -> None:
    with client:
        if not isinstance(client, ssl.SSLSocket):
            converse(client, respond)
            return
        try:
            client.do_handshake()
            converse(client, respond)
        except OSError:
            # Let the client read the alert: closing with its data unread would reset the connection.
            client.shutdown(socket.SHUT_WR)
            while client.recv(4096):
                pass


def accept(listener: socket.socket, threads: Executor, respond: Respond, tls: ssl.SSLContext | None) -> None:
    """Receive each connection, until the listener is closed."""
    clients: list[socket.socket] = []
    try:
        while True:
            client = listener.accept()[0]
            with suppress(OSError):  # It hung up at once.
                if tls is not None:
                    client = tls.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
                clients.append(client)
                threads.submit(receive, client, respond)
    except OSError:  # The listener is closed: the test is over.
        pass
    finally:
        # A client that times out while it connects may leave a connection open, on which nothing ever comes.
        for client in clients:
            with suppress(OSError):  # It is closed.
                client.shutdown(socket.SHUT_RDWR)


@pytest.fixture(name="serve")
def _serve() -> Serve:
    """Serve on a socket of this machine, and yield the base URL."""

    @contextmanager
    def serve(respond: Respond, tls: ssl.SSLContext | None = None) -> Iterator[str]:
        with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor() as threads:
            threads.submit(accept, listener, threads, respond, tls)
            scheme = "https" if tls else "http"
            try:
                yield f"{scheme}://localhost:{listener.getsockname()[1]}/skaha/v1"
            finally:  # Or a failing test would wait for ever for the next connection.
                listener.shutdown(socket.SHUT_RDWR)

    return serve


def on_the_wire(status: int, body: str = "", **headers: str) -> bytes:
    """Return a response as it goes over the wire."""
    content = body.encode()
    lines = [f"HTTP/1.1 {status} -", f"Content-Length: {len(content)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


@pytest.fixture(name="raw", scope="session")
def _raw() -> Callable[..., bytes]:
    return on_the_wire


@pytest.fixture(name="authority", scope="session")
def _authority() -> trustme.CA:
    """Sign certificates, as CADC does for its users."""
    return trustme.CA()


@pytest.fixture(name="trusted")
def _trusted(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Trust the authority, as a site with one of its own does."""
    file = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(file)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))


@pytest.fixture(name="server_tls")
def _server_tls(authority: trustme.CA) -> ssl.SSLContext:
    """TLS as the platform's proxy has it: it checks a client certificate if there is one."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    # Python 3.13 requires more than that proxy does, and more than CADC's certificates have.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
