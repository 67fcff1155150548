"""A stub of the platform that responds after a fixed latency, and sometimes with 503. It runs no sessions.

The emulator would run each session as a local process, and 256 of those would dominate the measurement. The
stub runs in its own process, so that its CPU time is not measured either.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import uvicorn
from _account import document

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

PATH = "/skaha/v1/session"


@contextmanager
def stub_platform(*, latency: float, busy: float = 0.0) -> Iterator[str]:
    """Run a stub, and yield its base URL.

    :param latency: seconds before each response.
    :param busy: the share of requests that get a 503 with Retry-After and have no effect.
    """
    command = [sys.executable, __file__, f"--latency={latency}", f"--busy={busy}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - this file
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


class StubPlatform:
    """An ASGI application that creates sessions, which run for ever, and lists them.

    :param latency: seconds before each response.
    :param busy: the share of requests that get a 503.
    """

    def __init__(self, latency: float, busy: float) -> None:
        self._latency = latency
        self._busy = busy
        self._random = random.Random(64)  # noqa: S311 - reproducible, not for a secret
        self._sessions: list[dict[str, object]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to a request."""
        assert scope["type"] == "http"
        form = scope["query_string"] + b"&" + await _body(receive)
        await asyncio.sleep(self._latency)
        if scope["path"] != PATH:
            await _respond(send, 404, f"{scope['path']} is not served here\n")
        elif self._random.random() < self._busy:
            await _respond(send, 503, "temporarily unavailable: session\n", (b"retry-after", b"1"))
        elif scope["method"] == "POST":
            (name,) = parse_qs(form.decode())["name"]
            await _respond(send, 200, f"{self._create(name)}\n")
        else:
            listed = json.dumps(self._sessions, indent=2)
            await _respond(send, 200, listed, (b"content-type", b"application/json"))

    def _create(self, name: str) -> str:
        session_id = f"s{len(self._sessions):07}"
        session = document(len(self._sessions)) | {"id": session_id, "name": name}
        del session["ramInUse"], session["cpuCoresInUse"]
        self._sessions.append(session)
        return session_id


async def _body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        chunk: bytes = message.get("body", b"")
        body += chunk
        if not message.get("more_body"):
            return body


async def _respond(send: Send, status: int, body: str, *headers: tuple[bytes, bytes]) -> None:
    content = body.encode()
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(b"content-length", str(len(content)).encode()), *headers],
        }
    )
    await send({"type": "http.response.body", "body": content})


def main() -> None:
    """Serve on a free port, and print the base URL."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, required=True)
    parser.add_argument("--busy", type=float, required=True)
    options = parser.parse_args()
    listening = socket.create_server(("127.0.0.1", 0), backlog=512)
    print(f"http://127.0.0.1:{listening.getsockname()[1]}/skaha/v1", flush=True)
    app = StubPlatform(options.latency, options.busy)
    uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="error")).run(sockets=[listening])


if __name__ == "__main__":
    main()
