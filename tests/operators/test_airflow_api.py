"""How a worker waits while Airflow's API server is away, and how it notices."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse

from airflow_provider_canfar.hooks._airflow_compat import AirflowFailException
from airflow_provider_canfar.operators._airflow_api import (
    SILENCE_WAITED_OUT,
    api_server_answers,
    hides_silence,
    is_silence,
    wait_out_silence,
)


def api_error(status: int | None, kind: ErrorType = ErrorType.API_SERVER_ERROR) -> AirflowRuntimeError:
    """Return what the supervisor reports for a failed call."""
    return AirflowRuntimeError(ErrorResponse(error=kind, detail={"status_code": status, "message": "..."}))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (api_error(None), True),
        (api_error(500), True),
        (api_error(503), True),
        (api_error(409), False),
        (api_error(404), False),
        (AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR)), True),
        (api_error(None, ErrorType.XCOM_NOT_FOUND), False),
        (ValueError("API_SERVER_ERROR"), False),
        (OSError(28, "No space left on device"), False),
    ],
)
def test_silence_is_no_answer_or_a_failure_of_the_server_itself(error: Exception, *, expected: bool) -> None:
    assert is_silence(error) is expected


def test_an_unknown_connection_hides_a_silence_only_where_it_was_known_before() -> None:
    unknown = type("AirflowNotFoundException", (AirflowFailException,), {})("The conn_id isn't defined")
    assert hides_silence(unknown)
    assert hides_silence(api_error(None))
    assert not is_silence(unknown)


class Calls:
    """A call that fails until a time, on a clock that only its sleeps move."""

    def __init__(self, error: Exception, until: float) -> None:
        self.now = 0.0
        self.lines: list[str] = []
        self._error = error
        self._until = until

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def call(self) -> str:
        if self.now < self._until:
            raise self._error
        return "done"

    def run(self, is_stopped: Callable[[], bool] = lambda: False) -> str:
        return wait_out_silence(
            self.call,
            emit=self.lines.append,
            is_stopped=is_stopped,
            clock=lambda: self.now,
            sleep=self.sleep,
        )


def test_a_short_silence_is_waited_out_and_logged() -> None:
    calls = Calls(api_error(None), until=40)
    assert calls.run() == "done"
    assert calls.lines[0].startswith("Airflow's API server is not responding")
    assert calls.lines[-1] == "Airflow's API server responds again, after 40 s."


def test_a_long_silence_is_raised_after_a_minute() -> None:
    calls = Calls(api_error(500), until=1000)
    with pytest.raises(AirflowRuntimeError):
        calls.run()
    assert calls.now == SILENCE_WAITED_OUT


@pytest.mark.parametrize("error", [api_error(409), OSError(28, "No space left on device")])
def test_an_answer_and_other_errors_are_raised_at_once(error: Exception) -> None:
    calls = Calls(error, until=10)
    with pytest.raises(type(error)):
        calls.run()
    assert calls.now == 0


def test_a_task_that_is_killed_does_not_wait() -> None:
    calls = Calls(api_error(None), until=10)
    with pytest.raises(AirflowRuntimeError):
        calls.run(is_stopped=lambda: True)
    assert calls.now == 0


@pytest.fixture
def database() -> list[str]:
    """Return what the server says of its database; the first of the list."""
    return ["healthy"]


@pytest.fixture(name="server")
def _server(monkeypatch: pytest.MonkeyPatch, database: list[str]) -> Iterator[list[int]]:
    """Start a server in Airflow's place; it answers with the first status of the list."""
    statuses = [200]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_health = self.path == "/api/v2/monitor/health"
            body = json.dumps({"metadatabase": {"status": database[0]}}).encode() if is_health else b""
            self.send_response(200 if is_health else statuses[0] if self.path == "/execution/health" else 404)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Write nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/execution/"
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", url)
    yield statuses
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(("status", "expected"), [(200, True), (401, True), (500, False), (503, False)])
def test_the_api_server_answers_unless_it_fails(server: list[int], status: int, *, expected: bool) -> None:
    server[0] = status
    assert api_server_answers() is expected


def test_an_api_server_without_its_database_does_not_answer(server: list[int], database: list[str]) -> None:
    assert api_server_answers()
    database[0] = "unhealthy"
    assert not api_server_answers()


def test_an_api_server_that_is_not_there_does_not_answer(
    server: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", "http://127.0.0.1:9/execution/")
    assert not api_server_answers()
