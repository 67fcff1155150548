"""A proxy between Airflow's workers and its API server, which fails the requests of some scenarios."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import unquote

import httpx

#: Seconds until the API server must answer the proxy.
TIMEOUT = 60.0

#: Headers of one connection, which a proxy does not pass on.
OF_ONE_CONNECTION = frozenset(
    {"connection", "content-encoding", "content-length", "host", "transfer-encoding"}
)


@dataclass(frozen=True)
class Fault:
    """What becomes of a request.

    :param status: the answer's status; None for no answer.
    :param seconds: how long the answer takes.
    :param applies: whether Airflow takes in the request all the same.
    :param path: only requests with this in their path.
    """

    status: int | None = None
    seconds: float = 0.0
    applies: bool = False
    path: str = ""

    @property
    def body(self) -> bytes:
        """The answer, as the API server has it."""
        return json.dumps({"detail": {"reason": "fault", "message": "A fault of the tests."}}).encode()


AWAY = Fault()
ERROR = Fault(status=500)


@dataclass
class FaultProxy:
    """The proxy; a context manager.

    :param target: the address of the API server.
    """

    target: str = ""
    _faults: dict[str, Fault] = field(default_factory=dict)

    def __enter__(self) -> Self:
        """Start it."""
        self._client = httpx.Client(timeout=TIMEOUT, trust_env=False)
        self._stop = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        """Stop it."""
        self._stop.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._client.close()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @contextlib.contextmanager
    def failing(self, fault: Fault, *marks: str) -> Iterator[None]:
        """Fail the requests that have any of some marks in their address, until the block ends.

        :param marks: the ids of a scenario's run, task instance and connection.
        """
        self._faults |= dict.fromkeys(marks, fault)
        try:
            yield
        finally:
            for mark in marks:
                del self._faults[mark]

    def fault_of(self, address: str) -> Fault | None:
        """Return the fault of a request."""
        address = unquote(address)
        found = (fault for mark, fault in list(self._faults.items()) if mark in address)
        return next((fault for fault in found if fault.path in address), None)

    def pass_on(self, request: BaseHTTPRequestHandler, body: bytes) -> httpx.Response:
        """Return the API server's answer to a request."""
        headers = {name: value for name, value in request.headers.items() if _is_passed_on(name)}
        return self._client.request(
            request.command, self.target + request.path, headers=headers, content=body
        )

    def wait(self, seconds: float) -> None:
        """Wait, until the proxy stops at the latest."""
        self._stop.wait(seconds)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, proxy: FaultProxy, *args: Any) -> None:
        self._proxy = proxy
        super().__init__(*args)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):  # Of any method.
            return self._answer
        raise AttributeError(name)

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        fault = self._proxy.fault_of(self.path)
        try:
            if fault is None:
                answer = self._proxy.pass_on(self, body)
                self._send(answer.status_code, answer.headers, answer.content)
                return
            self._proxy.wait(fault.seconds)
            if fault.applies:
                self._proxy.pass_on(self, body)
            if fault.status is None:
                self.close_connection = True
            else:
                self._send(fault.status, {"content-type": "application/json"}, fault.body)
        except (OSError, httpx.HTTPError):
            # The worker has given up, or the API server is away.
            self.close_connection = True

    def _send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if _is_passed_on(name):
                self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Write nothing."""


def _is_passed_on(header: str) -> bool:
    return header.lower() not in OF_ONE_CONNECTION
