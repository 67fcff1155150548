from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.responses import PlainTextResponse

from airflow_provider_canfar.emulator.api.same_origin import SameOrigin

if TYPE_CHECKING:
    from starlette.types import Message, Scope

    from tests.emulator.conftest import Caller

SESAME = "sesame"
app = SameOrigin(PlainTextResponse(SESAME), ["Laptop", "[fe80::1]"])


async def status(*headers: tuple[str, str], kind: str = "http") -> int | str:
    """Return the status of the response to a request, or the type of a message."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError("nothing is read")

    scope: Scope = {
        "type": kind,
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
    }
    await app(scope, receive, send)
    result: int | str = sent[0].get("status", sent[0]["type"])
    return result


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1:8099", "127.0.0.1", "127.1.2.3:80", "localhost:8099", "LOCALHOST", "[::1]:8099"),
        *("[::1]", "laptop", "Laptop:8099", "[fe80::1]:80"),
    ],
)
async def test_it_answers_to_loopback_and_to_its_own_names(host: str) -> None:
    assert await status(("Host", host)) == 200


@pytest.mark.parametrize(
    "host",
    [
        *("example.org", "example.org:8099", "localhost.example.org", "127.0.0.1.example.org", "10.0.0.1"),
        *("", ":8099", "localhost:", "localhost:x", "user@localhost", "localhost/", "localhost#", "[::1"),
        *("::1", "[::1].example.org", "[localhost.example.org]", "127.0.0.1, example.org", "[::2]"),
        *("ex\xe4mple.org", "192.168.0.1", "laptop.example.org"),
    ],
)
async def test_a_foreign_name_is_misdirected(host: str) -> None:
    assert await status(("Host", host)) == 421


async def test_a_request_has_to_name_exactly_one_host() -> None:
    assert await status() == 421
    assert await status(("Host", "localhost"), ("Host", "example.org")) == 421
    assert await status(("Host", "example.org"), ("Host", "localhost")) == 421


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("http://localhost:8099", 200),
        ("https://localhost:8099", 200),  # behind a proxy that terminates TLS
        ("HTTP://LOCALHOST:8099", 200),
        ("http://localhost", 403),
        ("http://localhost:3000", 403),
        ("http://127.0.0.1:8099", 403),
        ("http://example.org", 403),
        ("http://localhost:8099.example.org", 403),
        ("http://example.org/http://localhost:8099", 403),
        ("null", 403),
        ("", 403),
        ("file://", 403),
    ],
)
async def test_a_page_of_another_origin_is_refused(origin: str, expected: int) -> None:
    assert await status(("Host", "localhost:8099"), ("Origin", origin)) == expected


async def test_each_of_several_origins_has_to_be_its_own() -> None:
    own = "http://localhost"
    headers = ("Host", "localhost"), ("Origin", own), ("Origin", "http://example.org")
    assert await status(*headers) == 403


async def test_a_websocket_of_another_site_is_closed() -> None:
    assert await status(("Host", "example.org"), kind="websocket") == "websocket.close"


async def test_the_lifespan_has_no_host() -> None:
    seen: list[str] = []

    async def inner(scope: Scope, *_: Any) -> None:
        seen.append(scope["type"])

    async def unused(*_: Any) -> Any:
        raise AssertionError

    await SameOrigin(inner)({"type": "lifespan"}, unused, unused)
    assert seen == ["lifespan"]


PATHS = ("/", "/emulator/page/page.js", "/skaha/v1/session", "/ac/login", "/emulator/overview", "/nothing")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("header", "value", "expected"),
    [("Host", "example.org", 421), ("Origin", "http://example.org", 403), ("Origin", "null", 403)],
)
def test_all_of_an_emulator_is_behind_it_and_no_right_token_helps(
    shared_caller: Caller, path: str, header: str, value: str, expected: int
) -> None:
    root = shared_caller.emulator.url.removesuffix("/skaha/v1")
    for method in ("GET", "POST"):
        response = shared_caller.http.request(method, f"{root}{path}", headers={header: value})
        assert response.status_code == expected
        assert shared_caller.emulator.token not in response.text


@pytest.mark.parametrize("path", [*PATHS, "/session/notebook/k3v9x2qa/"])
def test_no_browser_guesses_the_type_of_a_response(shared_caller: Caller, path: str) -> None:
    root = shared_caller.emulator.url.removesuffix("/skaha/v1")
    for host in ("localhost", "example.org"):
        response = httpx.get(f"{root}{path}", headers={"Host": host}, trust_env=False)
        assert response.headers.get_list("x-content-type-options") == ["nosniff"]


def test_http_1_0_without_a_host_is_misdirected(shared_caller: Caller) -> None:
    address = urlsplit(shared_caller.emulator.url)
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert b" 421 " in connection.recv(100)
