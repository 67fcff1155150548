"""An emulator for each test, with a caller and a browser."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from airflow_provider_canfar.testing import Emulator, running_emulator
from dev.waiting import wait_until
from tests.emulator.browser import browser_of, log_in

IMAGE = "images.canfar.net/skaha/astroml:24.07"
PATIENCE = 30.0

#: Of the account in these tests; by default an emulator has none.
PASSWORD = "correct-horse"


@dataclass(frozen=True)
class Caller:
    """Calls an emulator over HTTP, and waits for its sessions.

    :param http: has the emulator's URL and token.
    """

    emulator: Emulator
    http: httpx.Client

    def post(self, **form: Any) -> httpx.Response:
        """Post a create; name and image have defaults."""
        fields = {"name": "test", "image": IMAGE, **form}
        return self.http.post(
            "/session", data={key: value for key, value in fields.items() if value is not None}
        )

    def create(self, **form: Any) -> str:
        """Create a session and return its id."""
        response = self.post(**form)
        assert response.status_code == 200, response.text
        return response.text.strip()

    def shell(self, script: str, **form: Any) -> str:
        """Create a session that runs a shell script with TABs for spaces, at which the server splits args."""
        assert not set(script) & set(' "\\$'), "the server would change this script"
        return self.create(cmd="/bin/sh", args=f"-c {script}", **form)

    def session(self, session_id: str) -> dict[str, Any]:
        """Return a session as the platform shows it."""
        fields: dict[str, Any] = self.http.get(f"/session/{session_id}").raise_for_status().json()
        return fields

    def view(self, session_id: str, view: str) -> str:
        """Return a session's logs or events."""
        return self.http.get(f"/session/{session_id}", params={"view": view}).raise_for_status().text

    def record(self, session_id: str) -> dict[str, Any]:
        """Return a session as the emulator records it."""
        return next(session for session in self.emulator.all_sessions() if session["id"] == session_id)

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition."""
        wait_until(condition, description="a condition of a test", timeout=PATIENCE, interval=0.01)

    def until_status(self, session_id: str, status: str) -> dict[str, Any]:
        """Wait until a session has a status, and return it."""
        self.until(lambda: self.session(session_id)["status"] == status)
        return self.session(session_id)


@contextlib.contextmanager
def calling(emulator: Emulator) -> Iterator[Caller]:
    """Return a caller of an emulator."""
    headers = {"Authorization": f"Bearer {emulator.token}"}
    with httpx.Client(base_url=emulator.url, headers=headers, timeout=60, trust_env=False) as http:
        yield Caller(emulator, http)


@pytest.fixture
def make_caller() -> Iterator[Callable[..., Caller]]:
    """Return a function that starts an emulator, with configuration and settings by name."""
    with contextlib.ExitStack() as stack:

        def make(**options: Any) -> Caller:
            quick = {"start_delay": 0.02, "flicker": 0.02, "grace": 1.0, "password": PASSWORD}
            emulator = stack.enter_context(running_emulator(**{**quick, **options}))
            return stack.enter_context(calling(emulator))

        yield make


@pytest.fixture
def caller(make_caller: Callable[..., Caller]) -> Caller:
    """Return a caller of a new emulator."""
    return make_caller()


@pytest.fixture(scope="module")
def shared_caller() -> Iterator[Caller]:
    """Return a caller of an emulator that all tests of a module share."""
    with running_emulator(start_delay=0.02, password=PASSWORD) as emulator, calling(emulator) as caller:
        yield caller


@pytest.fixture
def stranger(shared_caller: Caller) -> Iterator[httpx.Client]:
    """Return a browser without a cookie; it cannot change anything, so its emulator is shared."""
    with browser_of(shared_caller) as browser:
        yield browser


@pytest.fixture
def browser(caller: Caller) -> Iterator[httpx.Client]:
    """Return a browser that has logged in on the page."""
    with browser_of(caller) as browser:
        log_in(browser, caller.emulator.token).raise_for_status()
        yield browser
