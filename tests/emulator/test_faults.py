"""Faults, observed by a client."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import httpx
import pytest

from airflow_provider_canfar.emulator.faults import Faults
from tests.emulator.conftest import IMAGE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.emulator.conftest import Caller

#: What httpx raises for a closed connection; unread data of a request makes that a reset.
CLOSED = (httpx.RemoteProtocolError, httpx.ReadError)


def test_the_same_seed_affects_the_same_requests() -> None:
    def fired(seed: int) -> list[bool]:
        faults = Faults(seed)
        faults.update({"busy": {"rate": 0.5}})
        return [faults.fire("busy", "GET", "/") is not None for _ in range(200)]

    assert fired(7) == fired(7)
    assert fired(7) != fired(8)
    assert 60 < sum(fired(7)) < 140


def test_a_fault_affects_only_matching_requests_up_to_its_count() -> None:
    faults = Faults()
    faults.update({"busy": {"method": "POST", "path": "/session$", "count": 2}})
    requests = [("GET", "/session"), ("POST", "/session"), ("POST", "/session/x"), ("POST", "/session")] * 2
    assert [faults.fire("busy", *each) is not None for each in requests] == [False, True, False, True] + [
        False
    ] * 4
    assert faults.as_json()["busy"]["fired"] == 2


def test_an_invalid_fault_or_option_is_reported(shared_caller: Caller) -> None:
    emulator = shared_caller.emulator
    with pytest.raises(ValueError, match=r"Unknown fault 'earthquake'; expected one of latency, outage"):
        emulator.faults(earthquake={})
    with pytest.raises(ValueError, match=r"Invalid arguments for fault 'busy': .*'often'"):
        emulator.faults(busy={"often": True})
    with pytest.raises(ValueError, match=r"Unknown outage mode 'total'"):
        emulator.faults(outage={"mode": "total"})
    with pytest.raises(ValueError, match=r"needs seconds"):
        emulator.faults(outage={"mode": "refuse"})
    with pytest.raises(ValueError, match=r"Unknown option 'volume'; expected one of start_delay"):
        emulator.configure(volume=11)
    with pytest.raises(ValueError, match=r"must be a number of 0 or more, not -1"):
        emulator.configure(retention=-1)


def test_faults_can_be_listed_switched_and_cleared(caller: Caller) -> None:
    url = caller.emulator.url.replace("/skaha/v1", "/emulator/faults")
    caller.emulator.faults(busy={"count": 1}, latency={"seconds": 0.01})
    caller.emulator.faults(latency=None, html={})
    assert caller.http.get("/session").status_code == 503
    listed = caller.http.get(url).json()
    assert {kind: fault["fired"] for kind, fault in listed.items()} == {"busy": 1, "html": 0}
    caller.emulator.clear_faults()
    assert caller.http.get(url).json() == {}


def test_the_admin_api_needs_the_emulator_s_token(shared_caller: Caller) -> None:
    for path in ("sessions", "requests", "faults", "config"):
        url = shared_caller.emulator.url.replace("/skaha/v1", f"/emulator/{path}")
        assert httpx.get(url, headers={"Authorization": "Bearer no"}, trust_env=False).status_code == 401


@pytest.mark.parametrize(
    ("kind", "status", "text"),
    [
        ("busy", 503, "temporarily unavailable: session\n"),
        ("html", 502, "<html><body><h1>502 Bad Gateway</h1>"),
        ("expired_token", 401, "token is invalid or has expired\n"),
        ("server_error", 500, "unexpected exception: java.lang.IllegalStateException"),
        ("not_created", 500, "unexpected exception: java.lang.RuntimeException: io.kubernetes.client"),
    ],
)
def test_a_fault_can_prevent_a_create(caller: Caller, kind: str, status: int, text: str) -> None:
    caller.emulator.faults(**{kind: {"count": 1, "retry_after": 7}})
    response = caller.post()
    assert response.status_code == status
    assert response.text.startswith(text)
    assert (response.headers.get("retry-after") == "7") == (kind == "busy")
    assert caller.emulator.all_sessions() == []
    assert caller.post().status_code == 200


def test_a_create_can_succeed_with_an_error_response(caller: Caller) -> None:
    caller.emulator.faults(created_unseen={"count": 1})
    response = caller.post()
    (session,) = caller.emulator.all_sessions()
    assert response.status_code == 500
    assert f'jobs.batch \\"skaha-headless-astronomer-{session["id"]}\\" not found' in response.text


@pytest.mark.parametrize(("kind", "created"), [("drop_before", 0), ("drop_after", 1)])
def test_a_connection_can_close_before_or_after_a_create(caller: Caller, kind: str, created: int) -> None:
    caller.emulator.faults(**{kind: {"method": "POST", "count": 1}})
    with pytest.raises(CLOSED):
        caller.post()
    assert len(caller.emulator.all_sessions()) == created


def test_a_create_is_completed_after_its_client_has_timed_out(
    make_caller: Callable[..., Caller],
) -> None:
    caller = make_caller(create_latency=0.5)
    with pytest.raises(httpx.ReadTimeout):
        caller.http.post("/session", data={"name": "late", "image": IMAGE}, timeout=0.1)
    caller.until(lambda: [session["name"] for session in caller.emulator.all_sessions()] == ["late"])


def test_a_login_works_when_tokens_expire(caller: Caller) -> None:
    caller.emulator.faults(expired_token={"count": 1})
    login = caller.emulator.url.replace("/skaha/v1", "/ac/login")
    form = {"username": "astronomer", "password": "password"}
    assert caller.http.post(login, data=form).status_code == 200
    assert [caller.http.get("/session").status_code for _ in range(2)] == [401, 200]


def test_a_response_can_be_truncated(caller: Caller) -> None:
    caller.create()
    caller.emulator.faults(truncated={})
    response = caller.http.get("/session")
    assert response.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        response.json()


def test_latency_delays_a_response(caller: Caller) -> None:
    caller.emulator.faults(latency={"seconds": 0.3})
    began = time.monotonic()
    assert caller.http.get("/session").status_code == 200
    assert time.monotonic() - began >= 0.3


def test_an_outage_can_be_a_series_of_503s(caller: Caller) -> None:
    caller.emulator.faults(outage={"retry_after": 2.5})
    response = caller.http.get("/session")
    assert (response.status_code, response.headers["retry-after"]) == (503, "2.5")
    caller.emulator.faults(outage=None)
    assert caller.http.get("/session").status_code == 200


def test_an_outage_can_close_connections(caller: Caller) -> None:
    caller.emulator.faults(outage={"mode": "close"})
    with pytest.raises(CLOSED):
        caller.http.get("/session")


def test_an_outage_can_leave_requests_without_a_response(caller: Caller) -> None:
    caller.emulator.faults(outage={"mode": "hang"})
    with pytest.raises(httpx.ReadTimeout):
        caller.http.get("/session", timeout=0.2)
    caller.emulator.clear_faults()
    assert caller.http.get("/session").status_code == 200


def test_an_outage_can_refuse_connections_while_sessions_keep_running(caller: Caller) -> None:
    session = caller.shell("sleep\t600")
    caller.until_status(session, "Running")
    caller.emulator.faults(outage={"mode": "refuse", "seconds": 1})

    def outcome() -> str:
        try:
            return str(caller.http.get("/session").status_code)
        except httpx.TransportError as error:
            return type(error).__name__

    caller.until(lambda: outcome() == "ConnectError")
    caller.until(lambda: outcome() == "200")
    assert caller.session(session)["status"] == "Running"
    assert caller.record(session)["starts"] == 1


def test_a_failing_image_pull_leaves_sessions_pending_with_events(caller: Caller) -> None:
    caller.emulator.faults(pull={"image": "*/broken:*"})
    broken = caller.create(image="images.canfar.net/skaha/broken:1", cmd="true")
    good = caller.create(cmd="true")
    caller.until_status(good, "Completed")
    caller.until(lambda: "startTime" in caller.session(broken))
    events = caller.view(broken, "events")
    assert caller.session(broken)["status"] == "Pending"
    assert 'Failed to pull image "images.canfar.net/skaha/broken:1"' in events
    assert "Error: ErrImagePull" in events
    assert "Back-off pulling image" in events
    assert caller.view(broken, "logs") == ""
    caller.emulator.clear_faults()
    caller.until_status(broken, "Completed")


def test_a_session_can_vanish(caller: Caller) -> None:
    session = caller.shell("sleep\t600")
    caller.until_status(session, "Running")
    caller.emulator.vanish(session)
    assert caller.http.get(f"/session/{session}").status_code == 404
    record = caller.record(session)
    assert (record["deleted"], record["live"]) == (None, False)
    assert record["forgotten"] is not None
    with pytest.raises(ValueError, match="not found"):
        caller.emulator.vanish(session)


def test_a_seeded_emulator_fails_the_same_requests_twice(make_caller: Callable[..., Caller]) -> None:
    def outcomes() -> list[int]:
        caller = make_caller(seed=3)
        caller.emulator.faults(busy={"rate": 0.5})
        return [caller.http.get("/context").status_code for _ in range(20)]

    first = outcomes()
    assert first == outcomes()
    assert {200, 503} == {*first}
