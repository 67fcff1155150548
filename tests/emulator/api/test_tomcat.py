"""Tomcat's own pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from tests.emulator.conftest import Caller


@pytest.mark.parametrize(
    "path", ["/skaha/v0/session", "/skaha", "/skaha/v1", "/skaha/v1/sessions", "/other/<x>"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_unknown_path_gets_a_page_even_without_a_token(
    shared_caller: Caller, method: str, path: str
) -> None:
    root = shared_caller.emulator.url.removesuffix("/skaha/v1")
    response = httpx.request(method, root + path, trust_env=False)
    assert response.status_code == 404
    assert response.headers["content-type"] == "text/html;charset=utf-8"
    assert "<title>HTTP Status 404 \u2013 Not Found</title>" in response.text
    escaped = path.replace("/", "&#47;").replace("<", "&lt;").replace(">", "&gt;")
    assert f"<p><b>Message</b> The requested resource [{escaped}] is not available</p>" in response.text


def test_a_request_that_tomcat_cannot_read_gets_a_page(shared_caller: Caller) -> None:
    response = shared_caller.http.get("/session", headers={"X-Long": "x" * 9000})
    assert (response.status_code, response.headers["content-type"]) == (400, "text/html;charset=utf-8")
    assert "<p><b>Message</b> Request header is too large</p>" in response.text
