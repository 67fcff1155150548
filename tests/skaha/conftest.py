"""A platform that answers as it is told, time that passes when waited for, certificates of our own."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
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

Answering = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


class Platform:
    """Answers each kind of request with what was put there for it, in turn; the last one again and again."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self._answers: dict[tuple[str, str], list[Answering]] = {}

    def on(self, method: str, path: str, *answers: Answering) -> None:
        self._answers[method, path] = list(answers)

    def asked(self, method: str, path: str) -> list[httpx.Request]:
        return [one for one in self.requests if (one.method, self._path(one)) == (method, path)]

    @property
    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self._answer)

    def _path(self, request: httpx.Request) -> str:
        return request.url.path.removeprefix("/skaha/v1/")

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answers = self._answers[request.method, self._path(request)]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx.Response):
            return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
        return answer(request)


class Time:
    """Seconds that pass when somebody sleeps."""

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
    """Make clients of the scripted platform, on the scripted time."""

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
    """Read a recorded answer of a server."""
    folder = Path(__file__).parents[1] / "samples"
    return lambda name: folder.joinpath(name).read_bytes()


#: Takes a request's head and body, and returns what goes over the wire; nothing, to hang up; None, to hang.
Respond = Callable[[str, bytes], bytes | None]
Serve = Callable[..., AbstractContextManager[str]]


def converse(client: socket.socket, respond: Respond) -> None:
    """Read one request and answer it."""
    with client.makefile("rb") as stream:
        lines = takewhile(lambda line: line != b"\r\n", iter(stream.readline, b""))
        head = "".join(line.decode("latin-1") for line in lines)
        if not head:  # The client gave up before it said anything.
            return
        length = re.search(r"(?i)^content-length: *(\d+)", head, re.MULTILINE)
        answer = respond(head, stream.read(int(length[1]) if length else 0))
        if answer is None:
            stream.read()  # Until the client gives up.
        else:
            client.sendall(answer)


def receive(client: socket.socket, respond: Respond, tls: ssl.SSLContext | None) -> None:
    with client:
        if tls is None:
            converse(client, respond)
            return
        with tls.wrap_socket(client, server_side=True, do_handshake_on_connect=False) as secured:
            try:
                secured.do_handshake()
                converse(secured, respond)
            except OSError:
                # The client shall read the alert: to close on what it has sent would reset the connection.
                secured.shutdown(socket.SHUT_WR)
                while secured.recv(4096):
                    pass


@pytest.fixture(name="serve")
def _serve() -> Serve:
    """Serve on a socket of this machine, and yield the base URL."""

    @contextmanager
    def serve(respond: Respond, tls: ssl.SSLContext | None = None) -> Iterator[str]:
        with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor() as threads:

            def accept() -> None:
                with suppress(OSError):  # The listener is closed: the test is over.
                    while True:
                        threads.submit(receive, listener.accept()[0], respond, tls)

            threads.submit(accept)
            scheme = "https" if tls else "http"
            try:
                yield f"{scheme}://localhost:{listener.getsockname()[1]}/skaha/v1"
            finally:  # Or a test that fails would wait for ever for the next to connect.
                listener.shutdown(socket.SHUT_RDWR)

    return serve


def on_the_wire(status: int, body: str = "", **headers: str) -> bytes:
    """Write an answer as it goes over the wire."""
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
    """TLS as the platform's proxy has it: a client's certificate is looked at when there is one."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    # Python 3.13 asks for more than that proxy does, and than CADC's certificates have.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
