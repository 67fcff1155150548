"""What goes wrong between a request and its response, observed by a client."""

from __future__ import annotations

import json
import re
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from airflow_provider_canfar.emulator.faults.encodings import ENCODINGS
from tests.emulator.conftest import IMAGE, PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.emulator.conftest import Caller

#: What httpx raises for a closed connection; unread data of a request makes that a reset.
CLOSED = (httpx.RemoteProtocolError, httpx.ReadError)


@pytest.mark.parametrize(
    ("kind", "status", "text"),
    [
        ("busy", 503, "temporarily unavailable: session\n"),
        ("too_many_requests", 429, "<html><body><h1>429 Too Many Requests</h1>"),
        ("html", 502, "<html><body><h1>502 Bad Gateway</h1>"),
        (
            "not_deployed",
            404,
            '<!doctype html><html lang="en"><head><title>HTTP Status 404 \u2013 Not Found<',
        ),
        ("expired_token", 401, "token is invalid or has expired\n"),
        ("forbidden", 403, "Not authorized to use the skaha system\n"),
        ("server_error", 500, "unexpected exception: java.lang.IllegalStateException"),
        ("not_created", 500, "unexpected exception: java.lang.RuntimeException: io.kubernetes.client"),
    ],
)
def test_a_fault_can_prevent_a_create(caller: Caller, kind: str, status: int, text: str) -> None:
    caller.emulator.faults(**{kind: {"count": 1}})
    response = caller.post()
    assert response.status_code == status
    assert response.text.startswith(text)
    assert (response.headers.get("retry-after") == "1") == (kind in ("busy", "too_many_requests"))
    assert caller.emulator.all_sessions() == []
    assert caller.post().status_code == 200


def test_a_refusal_can_repeat_what_a_create_holds_in_each_encoding(caller: Caller) -> None:
    caller.emulator.faults(repeat={"status": 500, "count": len(ENCODINGS)})
    form = {"name": "stars", "image": IMAGE, "env": "PLATE=<M 13>"}
    messages = []
    for encode in ENCODINGS.values():
        response = caller.http.post("/session", data=form, headers={"x-skaha-registry-auth": "cGFpcg=="})
        assert response.status_code == 500
        messages.append(response.text)
        token = caller.http.headers["Authorization"]
        assert response.text == encode(f"Refused: stars cGFpcg== PLATE=<M 13> {IMAGE} {token}") + "\n"
    assert len(set(messages)) == len(ENCODINGS)
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
    form = {"username": "astronomer", "password": PASSWORD}
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


@pytest.mark.parametrize("kind", ["busy", "too_many_requests", "outage"])
def test_retry_after_is_in_seconds_or_a_date_or_missing(shared_caller: Caller, kind: str) -> None:
    def retry_after(**form: Any) -> str | None:
        shared_caller.emulator.faults(**{kind: form})
        response = shared_caller.http.get("/session")
        shared_caller.emulator.clear_faults()
        value: str | None = response.headers.get("retry-after")
        return value

    assert retry_after(retry_after=7) == "7"
    assert retry_after(retry_after=None) is None
    before = time.time()
    date = retry_after(retry_after=90, retry_after_form="date")
    assert date is not None
    assert re.fullmatch(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", date)
    assert before + 90 <= parsedate_to_datetime(date).timestamp() <= time.time() + 91


def test_a_403_can_have_each_of_the_server_s_reasons(shared_caller: Caller) -> None:
    shared_caller.emulator.faults(forbidden={"message": "No POSIX Principal"})
    response = shared_caller.http.get("/context")
    login = shared_caller.emulator.url.replace("/skaha/v1", "/ac/login")
    form = {"username": "astronomer", "password": PASSWORD}
    assert shared_caller.http.post(login, data=form).status_code == 200
    shared_caller.emulator.clear_faults()
    assert (response.status_code, response.text) == (403, "No POSIX Principal\n")
    assert response.headers["content-type"] == "text/plain"


def test_tomcat_can_run_without_the_service(shared_caller: Caller) -> None:
    shared_caller.emulator.faults(not_deployed={})
    response = shared_caller.http.get("/session", headers={"Authorization": "Bearer no"})
    shared_caller.emulator.clear_faults()
    assert (response.status_code, response.headers["content-type"]) == (404, "text/html;charset=utf-8")
    assert "The requested resource [&#47;skaha&#47;v1&#47;session] is not available" in response.text


@pytest.mark.parametrize(
    ("fault", "status", "content_type", "text"),
    [
        ({"body": [{"cores": 1}]}, 200, "application/json", '[\n  {\n    "cores": 1\n  }\n]'),
        ({"body": None}, 200, "application/json", "null"),
        ({"body": "gone fishing", "status": 418}, 418, "text/plain", "gone fishing"),
        ({"body": "<p>", "content_type": "text/html"}, 200, "text/html", "<p>"),
    ],
)
def test_a_response_can_be_any_other(
    shared_caller: Caller, fault: dict[str, Any], status: int, content_type: str, text: str
) -> None:
    shared_caller.emulator.faults(response={"path": "/context$", **fault})
    response, other = shared_caller.http.get("/context"), shared_caller.http.get("/repository")
    shared_caller.emulator.clear_faults()
    assert (response.status_code, response.text) == (status, text)
    assert response.headers["content-type"] == content_type
    assert other.json() == ["images.canfar.net"]
