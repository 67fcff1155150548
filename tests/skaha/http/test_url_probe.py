"""Whether a session's page responds."""

from __future__ import annotations

import ssl

import httpx
import pytest

from airflow_provider_canfar.skaha.http.url_probe import responds

URL = "https://ws-uv.canfar.net/session/notebook/k3v9x2qa/lab?token=k3v9x2qa"


@pytest.mark.parametrize(
    ("status", "is_response"),
    [(200, True), (302, True), (401, True), (403, True), (404, False), (503, False)],
)
async def test_a_page_that_asks_for_a_login_responds_and_the_proxys_page_does_not(
    status: int, *, is_response: bool
) -> None:
    requests: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(status, headers={"location": "https://elsewhere.example/"})

    assert await responds(URL, transport=httpx.MockTransport(respond)) is is_response
    assert [str(request.url) for request in requests] == [URL]
    assert "authorization" not in requests[0].headers


@pytest.mark.parametrize("error", [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), ssl.SSLError()])
async def test_a_failed_request_is_not_a_response(error: Exception) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise error

    assert not await responds(URL, transport=httpx.MockTransport(fail))


async def test_an_invalid_url_does_not_respond() -> None:
    assert not await responds("not a URL")


async def test_the_token_of_a_page_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    """At INFO, which is Airflow's default, httpx logs the URL of each request."""
    caplog.set_level("INFO", logger="httpx")
    assert await responds(URL, transport=httpx.MockTransport(lambda _: httpx.Response(200)))
    assert "/session/notebook/k3v9x2qa/lab " in caplog.text
    assert "token=" not in caplog.text
