"""Request counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from tests.emulator.conftest import Caller


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
