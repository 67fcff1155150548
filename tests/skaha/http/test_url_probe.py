"""Whether a session's page answers."""

from __future__ import annotations

import ssl

import httpx
import pytest

from airflow_provider_canfar.skaha.http.url_probe import answers

URL = "https://ws-uv.canfar.net/session/notebook/k3v9x2qa/lab?token=k3v9x2qa"


@pytest.mark.parametrize(
    ("status", "is_there"), [(200, True), (302, True), (401, True), (403, True), (404, False), (503, False)]
)
async def test_a_page_that_asks_for_a_login_is_there_and_the_proxy_s_is_not(
    status: int, *, is_there: bool
) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(status, headers={"location": "https://elsewhere.example/"})

    assert await answers(URL, transport=httpx.MockTransport(answer)) is is_there
    assert [str(request.url) for request in seen] == [URL]
    assert "authorization" not in seen[0].headers


@pytest.mark.parametrize("error", [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), ssl.SSLError()])
async def test_no_answer_is_no_page(error: Exception) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise error

    assert not await answers(URL, transport=httpx.MockTransport(fail))


async def test_an_address_that_is_none_is_no_page() -> None:
    assert not await answers("no address")
