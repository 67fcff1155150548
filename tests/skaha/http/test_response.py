"""What came back for a request, and what it means where it is not what was asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.skaha.errors import (
    AuthenticationError,
    NotFound,
    Rejected,
    RequestError,
    ServerError,
    ServiceBusy,
)
from airflow_provider_canfar.skaha.http.response import QUOTED, ApiResponse, error_from, first_line

Sample = Callable[[str], bytes]
URL = "https://skaha.test/skaha/v1"


def answer(status: int, body: str | bytes = "", *, path: str = "session", **headers: str) -> ApiResponse:
    content = body.encode() if isinstance(body, str) else body
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return ApiResponse("POST", path, URL, status, named, content)


@pytest.mark.parametrize(
    ("status", "body", "kind", "maybe_applied"),
    [
        (400, "Missing parameter 'image'\n", Rejected, False),
        (400, "cannot get group memberships for anonymous\n", AuthenticationError, False),
        (401, "invalid token\n", AuthenticationError, False),
        (403, "Not authorized to use the skaha system\n", Rejected, False),
        (403, "permission denied -- reason: invalid proxy certficate\n", AuthenticationError, False),
        (404, "404 page not found\n", ServerError, False),
        (405, "unsupported: HTTP PUT\n", Rejected, False),
        (408, "", ServiceBusy, False),
        (413, "limit: 2097152\n", Rejected, False),
        (423, "locked\n", Rejected, False),
        (429, "", ServiceBusy, False),
        (500, "unexpected exception: java.lang.RuntimeException: x\n", ServerError, True),
        (502, "", ServerError, True),
        (503, "temporarily unavailable: /v1/session\n", ServiceBusy, True),
        (504, "", ServerError, True),
    ],
)
def test_a_status_and_the_servers_words_make_an_error(
    status: int, body: str, kind: type[RequestError], maybe_applied: bool
) -> None:
    fault = error_from(answer(status, body))
    assert type(fault) is kind
    assert (fault.method, fault.path, fault.status) == ("POST", "session", status)
    assert fault.server_message == body.strip()
    assert fault.maybe_applied is maybe_applied
    assert f"POST session was answered with {status}" in str(fault)
    assert body.strip() in str(fault)


@pytest.mark.parametrize(
    "body", ["session k3v9x2qa not found\n", "session k3v9x2qa not found.\n", "k3v9x2qa\n"]
)
def test_a_session_is_not_found_only_where_the_server_names_it(body: str) -> None:
    assert type(error_from(answer(404, body, path="session/k3v9x2qa"))) is NotFound


@pytest.mark.parametrize(
    "answered",
    [
        answer(404, "404 page not found\n", path="session/k3v9x2qa"),
        answer(404, "<h1>/session/k3v9x2qa</h1>", path="session/k3v9x2qa", content_type="text/html"),
        answer(404, "session k3v9x2qa not found\n", path="session"),
        answer(404, "", path="session/k3v9x2qa"),
    ],
)
def test_a_proxy_without_its_service_says_nothing_about_a_session(answered: ApiResponse) -> None:
    """A wrong URL, or a service that is being redeployed, answers 404 as well."""
    fault = error_from(answered)
    assert type(fault) is ServerError
    assert URL in str(fault)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "30"}, 30.0),
        ({"retry_after": "0"}, 0.0),
        ({"retry_after": "Wed, 11 Feb 2026 07:32:00 GMT", "date": "Wed, 11 Feb 2026 07:30:00 GMT"}, 120.0),
        ({"retry_after": "Wed, 11 Feb 2026 07:30:00 GMT", "date": "Wed, 11 Feb 2026 07:32:00 GMT"}, 0.0),
        ({"retry_after": "Wed, 11 Feb 2026 07:30:00 GMT"}, None),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "-3"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(headers: dict[str, str], seconds: float | None) -> None:
    fault = error_from(answer(503, **headers))
    assert isinstance(fault, ServiceBusy)
    assert fault.retry_after == seconds


def test_a_proxys_page_is_told_by_its_first_line(sample: Sample) -> None:
    fault = error_from(answer(503, sample("proxy_503.html"), content_type="text/html; charset=utf-8"))
    assert fault.server_message == "503 Service Temporarily Unavailable"


def test_a_page_is_no_good_answer_whatever_its_status() -> None:
    page = answer(200, "<script>go()</script><p>Sign in &amp; go on</p>", content_type="text/html")
    assert not page.is_good
    fault = error_from(page)
    assert type(fault) is ServerError
    assert fault.server_message == "Sign in & go on"
    assert fault.maybe_applied


def test_a_session_that_the_platform_could_not_start_is_told_as_that(sample: Sample) -> None:
    fault = error_from(answer(500, sample("jobs_batch_500.txt")))
    assert type(fault) is ServerError
    assert fault.maybe_applied
    assert "could not start it" in str(fault)


def test_a_redirect_is_refused_and_told_without_its_query() -> None:
    fault = error_from(answer(302, location="https://login.test/sign-in?token=s3cr3t"))
    assert type(fault) is Rejected
    assert "https://login.test/sign-in" in str(fault)
    assert "s3cr3t" not in str(fault)


def test_a_redirect_is_told_without_its_fragment_too() -> None:
    fault = error_from(answer(302, location="https://login.test/#access_token=s3cr3t"))
    assert "s3cr3t" not in str(fault)


def test_a_page_is_one_however_its_type_is_spelt() -> None:
    assert not answer(200, "<p>Sign in</p>", content_type="Text/HTML").is_good


@pytest.mark.parametrize("status", [200, 400, 401, 500])
def test_what_the_server_repeats_of_a_secret_is_not_told(status: int) -> None:
    """Apache shows a header that is too long for it, with whatever is in it."""
    body = "Size of a request header field exceeds server limit: Authorization: Bearer s3cr3t"
    refused = replace(answer(status, body), secrets=("s3cr3t", ""))
    fault = error_from(refused)
    assert "exceeds server limit: Authorization: Bearer ***" in str(fault)
    assert "s3cr3t" not in f"{fault} {fault.server_message} {refused!r}"


@given(st.binary(max_size=2000), st.sampled_from(["text/plain", "text/html", ""]))
def test_the_first_line_of_anything_is_one_short_printable_line(body: bytes, content_type: str) -> None:
    line = first_line(answer(500, body, content_type=content_type))
    assert line.isprintable()
    assert len(line) <= QUOTED + len("...")
