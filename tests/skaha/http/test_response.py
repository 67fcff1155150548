"""Which error an unsuccessful response means."""

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
from airflow_provider_canfar.skaha.http.response import MAX_QUOTE, ApiResponse, error_from, first_line

Sample = Callable[[str], bytes]
URL = "https://skaha.test/skaha/v1"


def response(status: int, body: str | bytes = "", *, path: str = "session", **headers: str) -> ApiResponse:
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
def test_an_error_follows_from_the_status_and_the_message(
    status: int, body: str, kind: type[RequestError], maybe_applied: bool
) -> None:
    error = error_from(response(status, body))
    assert type(error) is kind
    assert (error.method, error.path, error.status) == ("POST", "session", status)
    assert error.server_message == body.strip()
    assert error.maybe_applied is maybe_applied
    assert f"POST session failed with status {status}" in str(error)
    assert body.strip() in str(error)


@pytest.mark.parametrize(
    "body", ["session k3v9x2qa not found\n", "session k3v9x2qa not found.\n", "k3v9x2qa\n"]
)
def test_a_404_is_about_the_session_only_if_the_server_names_it(body: str) -> None:
    assert type(error_from(response(404, body, path="session/k3v9x2qa"))) is NotFound


@pytest.mark.parametrize(
    "proxied",
    [
        response(404, "404 page not found\n", path="session/k3v9x2qa"),
        response(404, "<h1>/session/k3v9x2qa</h1>", path="session/k3v9x2qa", content_type="text/html"),
        response(404, "session k3v9x2qa not found\n", path="session"),
        response(404, "", path="session/k3v9x2qa"),
    ],
)
def test_a_404_of_a_proxy_says_nothing_about_a_session(proxied: ApiResponse) -> None:
    """A wrong URL, or a service that is being redeployed, responds 404 as well."""
    error = error_from(proxied)
    assert type(error) is ServerError
    assert URL in str(error)


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
    error = error_from(response(503, **headers))
    assert isinstance(error, ServiceBusy)
    assert error.retry_after == seconds


def test_the_message_of_a_proxys_page_is_its_first_line(sample: Sample) -> None:
    error = error_from(response(503, sample("proxy_503.html"), content_type="text/html; charset=utf-8"))
    assert error.server_message == "503 Service Temporarily Unavailable"


def test_a_page_is_never_a_success_whatever_its_status() -> None:
    page = response(200, "<script>go()</script><p>Sign in &amp; go on</p>", content_type="text/html")
    assert not page.is_success
    error = error_from(page)
    assert type(error) is ServerError
    assert error.server_message == "Sign in & go on"
    assert error.maybe_applied


def test_a_missing_job_is_explained(sample: Sample) -> None:
    error = error_from(response(500, sample("jobs_batch_500.txt")))
    assert type(error) is ServerError
    assert error.maybe_applied
    assert "could not start it" in str(error)


def test_a_redirect_is_rejected_without_its_query_in_the_message() -> None:
    error = error_from(response(302, location="https://login.test/sign-in?token=s3cr3t"))
    assert type(error) is Rejected
    assert "https://login.test/sign-in" in str(error)
    assert "s3cr3t" not in str(error)


def test_a_redirect_is_rejected_without_its_fragment_in_the_message() -> None:
    error = error_from(response(302, location="https://login.test/#access_token=s3cr3t"))
    assert "s3cr3t" not in str(error)


def test_a_page_is_recognized_however_its_type_is_spelled() -> None:
    assert not response(200, "<p>Sign in</p>", content_type="Text/HTML").is_success


@pytest.mark.parametrize("status", [200, 400, 401, 500])
def test_a_secret_that_the_server_repeats_is_masked(status: int) -> None:
    """Apache quotes a header that is too long for it."""
    body = "Size of a request header field exceeds server limit: Authorization: Bearer s3cr3t"
    refused = replace(response(status, body), secrets=("s3cr3t", ""))
    error = error_from(refused)
    assert "exceeds server limit: Authorization: Bearer ***" in str(error)
    assert "s3cr3t" not in f"{error} {error.server_message} {refused!r}"


@given(st.binary(max_size=2000), st.sampled_from(["text/plain", "text/html", ""]))
def test_the_first_line_of_anything_is_one_short_printable_line(body: bytes, content_type: str) -> None:
    line = first_line(response(500, body, content_type=content_type))
    assert line.isprintable()
    assert len(line) <= MAX_QUOTE + len("...")
