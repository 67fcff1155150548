"""A browser on the emulator's page, without its scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from tests.emulator.conftest import Caller

#: What Chromium sends when a person opens an address.
HEADERS = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


def root_of(caller: Caller) -> str:
    return caller.emulator.url.removesuffix("/skaha/v1")


def browser_of(caller: Caller) -> httpx.Client:
    """Return a new browser; it keeps cookies, and follows no redirect by itself."""
    return httpx.Client(base_url=root_of(caller), headers=HEADERS, timeout=60, trust_env=False)


def log_in(browser: httpx.Client, token: str) -> httpx.Response:
    """Log in as the page does."""
    headers = {"Authorization": f"Bearer {token}", **from_page(browser)}
    return browser.post("/emulator/login", headers=headers)


def from_page(browser: httpx.Client) -> dict[str, str]:
    """Return the headers that a browser adds when a page of the emulator changes something."""
    return {"Origin": str(browser.base_url).rstrip("/"), "Accept": "*/*"}


def overview(browser: httpx.Client) -> dict[str, Any]:
    """Return the data of the page's table."""
    data: dict[str, Any] = browser.get("/emulator/overview").raise_for_status().json()
    return data


def details(browser: httpx.Client, session: str) -> dict[str, Any]:
    """Return the data of the page's panel."""
    data: dict[str, Any] = browser.get(f"/emulator/sessions/{session}").raise_for_status().json()
    return data
