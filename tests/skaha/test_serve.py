"""The server on a socket that other tests use ends, whatever its clients leave behind."""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.skaha.conftest import Serve


@pytest.fixture(name="tls", params=["HTTP", "HTTPS"])
def _tls(request: pytest.FixtureRequest, server_tls: ssl.SSLContext) -> ssl.SSLContext | None:
    return server_tls if request.param == "HTTPS" else None


@pytest.mark.timeout(30)
@pytest.mark.usefixtures("trusted")
def test_a_connection_on_which_nothing_comes_does_not_hold_it(
    tls: ssl.SSLContext | None, serve: Serve, raw: Callable[..., bytes]
) -> None:
    with contextlib.ExitStack() as connections:
        with serve(lambda head, body: raw(200), tls) as url:
            port = httpx.URL(url).port or 0
            silent = connections.enter_context(socket.create_connection(("127.0.0.1", port)))
            httpx.get(url)  # Connections are accepted in their order.
        assert silent.recv(1) == b""
