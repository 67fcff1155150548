"""A user on the emulator's page logs in, watches sessions, deletes one, and injects faults."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import pytest
from playwright.sync_api import expect

from airflow_provider_canfar.hooks.canfar import CanfarHook
from airflow_provider_canfar.skaha.errors import AuthenticationError, NotFound
from airflow_provider_canfar.testing import CONNECTION_VARIABLE
from dev.waiting import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from dev.platforms import Emulator
    from tests.browser.emulator_page import EmulatorPage

T = TypeVar("T")

IMAGE = "images.canfar.net/skaha/astroml:24.07"


class Client:
    """Calls the platform while the browser is open.

    It does so in its own thread: the browser's driver runs an event loop in the main thread.
    """

    def __init__(self, thread: Executor) -> None:
        self._thread = thread

    def launch(self, name: str, script: str, *, cores: float | None = None, ram: float | None = None) -> str:
        """Launch a session that runs a shell script, and return its id."""
        command = ["sh", "-c", script]
        (session,) = self.call(
            lambda hook: hook.create(name=name, image=IMAGE, command=command, cores=cores, ram=ram)
        )
        return session

    def call(self, function: Callable[[CanfarHook], T]) -> T:
        """Call a function with a hook, and return its result."""
        return self._thread.submit(function, CanfarHook()).result()


@pytest.fixture(name="client")
def _client(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv(CONNECTION_VARIABLE, json.dumps(emulator.connection))
    with ThreadPoolExecutor(1) as thread:
        yield Client(thread)


def test_sessions_are_hidden_without_the_token(
    portal: EmulatorPage, client: Client, emulator: Emulator
) -> None:
    session = client.launch("secret", "true")
    portal.log_in("a-guess")
    expect(portal.page.get_by_role("alert")).to_have_text("This is not the emulator's token.")
    expect(portal.session(session)).to_have_count(0)
    portal.log_in(emulator.token)
    expect(portal.session(session)).to_be_visible()
    portal.page.get_by_role("button", name="Log out").click()
    expect(portal.session(session)).to_be_hidden()


def test_the_page_follows_a_session_and_its_button_deletes_it(
    portal: EmulatorPage, client: Client, emulator: Emulator, screenshot: Callable[[Page, str], None]
) -> None:
    portal.log_in(emulator.token)
    session = client.launch("counts", "for i in 1 2 3;do echo star $i;sleep 1;done;sleep 300")
    row = portal.session(session)
    expect(row).to_contain_text("Pending")
    expect(row).to_contain_text("Running")
    portal.open("counts")
    expect(portal.log).to_contain_text("star 3")
    screenshot(portal.page, "emulator-running-session")
    portal.delete("counts")
    expect(row).to_be_hidden()
    with pytest.raises(NotFound):
        client.call(lambda hook: hook.info(session))


def test_the_page_shows_what_a_session_uses_and_which_task_it_is_of(
    portal: EmulatorPage, client: Client, emulator: Emulator, screenshot: Callable[[Page, str], None]
) -> None:
    portal.log_in(emulator.token)
    name = "count-stars-k3v5x2qamd-0-7-2"
    session = client.launch(name, "while :; do :; done", cores=2, ram=8)
    row = portal.session(session)
    expect(row).to_contain_text("of 2 cores")
    expect(row).to_contain_text("of 8 GB")
    expect(row).to_contain_text("try 2")
    portal.open(name)
    panel = portal.page.locator("#panel-facts")
    expect(panel).to_contain_text("count-stars (k3v5x2qamd)")
    expect(panel).to_contain_text("7, try 2")
    screenshot(portal.page, "emulator-usage")
    portal.delete(name)
    portal.switch("No metrics", "on")
    portal.switch("No metrics", "off")


def test_a_fault_is_active_while_it_is_switched_on(
    portal: EmulatorPage, client: Client, emulator: Emulator, screenshot: Callable[[Page, str], None]
) -> None:
    portal.log_in(emulator.token)
    portal.switch("Expired token", "on")
    with pytest.raises(AuthenticationError):
        client.call(CanfarHook.fetch)
    expect(portal.page.get_by_text("1 on: things go wrong on purpose")).to_be_visible()
    screenshot(portal.page, "emulator-active-fault")
    portal.switch("Expired token", "off")
    assert client.call(CanfarHook.fetch) is not None


def test_the_page_lists_files_while_the_list_is_open(
    portal: EmulatorPage, client: Client, emulator: Emulator, screenshot: Callable[[Page, str], None]
) -> None:
    portal.log_in(emulator.token)
    client.launch("writes", "cd;mkdir -p m13;printf 12345 >'m13/<b>stars.fits'")
    portal.page.get_by_text("Files", exact=True).click()
    row = portal.page.locator("#files tr", has_text="m13/<b>stars.fits")
    expect(row).to_contain_text("5 B")
    expect(row).to_contain_text("s ago")
    screenshot(portal.page, "emulator-files")


def test_the_address_of_a_log_asks_for_the_token_and_shows_the_log(
    portal: EmulatorPage, client: Client, emulator: Emulator
) -> None:
    session = client.launch("greets", "echo Hello, sky!")
    wait_until(
        lambda: client.call(lambda hook: hook.logs(session)).get(session), description="the log", timeout=60
    )
    portal.page.goto(f"{emulator.root}/skaha/v1/session/{session}?view=logs")
    portal.log_in(emulator.token)
    expect(portal.page.get_by_text("Hello, sky!")).to_be_visible()
    assert portal.page.url == f"{emulator.root}/skaha/v1/session/{session}?view=logs"
