"""Request counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from tests.emulator.conftest import Caller

from airflow_provider_canfar.emulator.api.request_counter import RequestCounter


def test_requests_are_counted_by_template_even_without_a_response(caller: Caller) -> None:
    session = caller.create(cmd="true")
    caller.http.get("/session", params={"type": "headless", "view": "interactive"})
    caller.emulator.faults(drop_before={"count": 1})
    with pytest.raises(httpx.TransportError):
        caller.http.get(f"/session/{session}")
    caller.view(session, "logs")
    assert caller.emulator.requests() == {
        "POST /session": 1,
        "GET /session?view=interactive": 1,
        "GET /session/{id}": 1,
        "GET /session/{id}?view=logs": 1,
    }
    caller.emulator.forget_requests()
    assert caller.emulator.requests() == {}


def test_calls_of_the_file_service_are_counted_without_their_paths() -> None:
    counter = RequestCounter()
    for path in ("files/home/a", "files/home/b/c", "nodes/home", "transfers", "transfers/1/phase", "mount"):
        counter.count("GET", f"/arc/{path}", b"")
    assert counter.as_json() == {
        "GET /arc/files/{path}": 2,
        "GET /arc/nodes/{path}": 1,
        "GET /arc/transfers": 1,
        "GET /arc/transfers/{id}/phase": 1,
        "GET /arc/mount": 1,
    }
