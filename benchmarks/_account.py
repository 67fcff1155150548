"""A server process with an account of many running sessions. It runs no programs.

Its lists are as long as the platform's: half a kilobyte for each session, including the cores and RAM in use,
which change with every request. ``GET /end?ids=...`` ends sessions.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
from collections import Counter
from typing import Any
from urllib.parse import parse_qs, urlsplit

HEAD = (
    "HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nX-VO-Authenticated: jdoe\r\n"
    "Content-Length: {length}\r\n\r\n"
)
ROOT = "/skaha/v1/session"


def document(number: int) -> dict[str, Any]:
    """Return a session as the server's Gson serializes it."""
    return {
        "id": f"s{number:07d}",
        "userid": "jdoe",
        "runAsUID": "10001",
        "runAsGID": "10001",
        "supplementalGroups": [30123, 30456],
        "image": "images.canfar.net/skaha/astroml:24.07",
        "type": "headless",
        "status": "Running",
        "name": f"af-reduce-k3v5x2qamd-0-{number}-1",
        "startTime": "2026-03-04T18:22:10Z",
        "expiryTime": "2026-03-18T18:22:10Z",
        "connectURL": "",
        "requestedGPUCores": "0",
        "ramInUse": "USE",
        "cpuCoresInUse": "USE",
        "isFixedResources": False,
    }


def pretty(documents: Any) -> bytes:
    """Serialize like the server."""
    return json.dumps(documents, indent=2).encode()


RANDOM = random.Random(1)  # noqa: S311 - not for a secret
IN_USE = [f'"{RANDOM.uniform(1, 9):.2f}"'.encode() for _ in range(1000)]


class Account:
    """The sessions, and the number and size of the responses."""

    def __init__(self, count: int) -> None:
        self.documents = {one["id"]: one for one in map(document, range(1, count + 1))}
        # Serialize only once what does not change between two requests.
        self._running = {
            session_id: pretty([one])[2:-2].split(b'"USE"') for session_id, one in self.documents.items()
        }
        self._ended: dict[str, bytes] = {}
        self.requests: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()

    def end(self, ids: list[str]) -> None:
        """End sessions."""
        for session_id in ids:
            ended = self.documents[session_id] | {"status": "Completed"}
            del ended["ramInUse"], ended["cpuCoresInUse"]
            self.documents[session_id] = ended
            self._ended[session_id] = pretty([ended])[2:-2]
            del self._running[session_id]

    def list_sessions(self, status: str | None) -> bytes:
        """Serialize all sessions, or those with a status."""
        shown: list[bytes] = []
        if status in {None, "Running"}:
            shown += map(self._with_usage, self._running.values())
        if status in {None, "Completed"}:
            shown += self._ended.values()
        return b"[\n" + b",\n".join(shown) + b"\n]" if shown else b"[]"

    def session(self, session_id: str) -> bytes:
        """Serialize one session."""
        parts = self._running.get(session_id)
        return self._ended[session_id] if parts is None else self._with_usage(parts)

    @staticmethod
    def _with_usage(parts: list[bytes]) -> bytes:
        first, second, third = parts
        return first + RANDOM.choice(IN_USE) + second + RANDOM.choice(IN_USE) + third

    def respond(self, target: str) -> bytes:
        """Return the body of the response to a request."""
        url = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path.startswith(ROOT):
            session_id = url.path.removeprefix(ROOT).strip("/")
            kind = "one session" if session_id else "all sessions" if not query else "ended sessions"
            body = self.session(session_id) if session_id else self.list_sessions(query.get("status"))
            self.requests[kind] += 1
            self.bytes[kind] += len(body) + len(HEAD)
            return body
        if url.path == "/end":
            self.end(query["ids"].split(","))
        elif url.path == "/reset":
            self.requests.clear()
            self.bytes.clear()
        return json.dumps({"requests": self.requests, "bytes": self.bytes}).encode()


class Connection(asyncio.Protocol):
    """A minimal HTTP connection."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, self._received = self._received.split(b"\r\n\r\n", 1)
            body = self._account.respond(head.split(b" ", 2)[1].decode())
            self._transport.write(HEAD.format(status=200, length=len(body)).encode() + body)


async def serve(count: int) -> None:
    """Respond to requests until the process is terminated."""
    account = Account(count)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(account), "127.0.0.1", 0, backlog=1000)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, required=True)
    asyncio.run(serve(parser.parse_args().sessions))
