"""A Chromium, a real Airflow and an emulator, shared by all tests in a browser.

Tests save screenshots, and a failing test saves one of each open page, in ``build/screenshots`` or in the
folder that CANFAR_SCREENSHOTS names. `make browser` installs the driver.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect, sync_playwright

import airflow_provider_canfar.plugin
from dev.local_airflow import LocalAirflow
from dev.platforms import Emulator
from dev.programs import Programs
from tests import debian
from tests.browser import chromium
from tests.browser.airflow_pages import AirflowPages
from tests.browser.emulator_page import EmulatorPage

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Route

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SCREENSHOTS = Path(os.environ.get("CANFAR_SCREENSHOTS", ROOT / "build" / "screenshots"))

#: The files of the tab *Sessions*.
PLUGIN = Path(airflow_provider_canfar.plugin.__file__).parent / "static"

#: Where the tests of its modules find them; no such host exists.
HOST = "http://sessions.test"

#: Milliseconds to wait for an element: Airflow's pages are slow on a busy machine.
PAGE_TIMEOUT = 60_000

IMAGE = "images.canfar.net/skaha/astroml:24.07"

PYTHON = """#!/bin/sh
{python} "$@" || exit
[ $((REPLICA_ID % 2)) = 1 ] || until [ -e {gate} ]; do sleep 0.1; done
"""

FAILED = pytest.StashKey[bool]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests of this folder."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.airflow)
            item.add_marker(pytest.mark.timeout(600))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Record that a test has failed, so that a screenshot is taken."""
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start Chromium."""
    try:
        path = chromium.find_or_install()
    except debian.NotInstalled as nothing:
        pytest.skip(str(nothing))
    expect.set_options(timeout=PAGE_TIMEOUT)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=chromium.arguments())
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def modules(browser: Browser) -> Iterator[Page]:
    """Open a page from whose host the modules can be imported; all tests of its modules share it."""

    def respond(route: Route) -> None:
        name = route.request.url.rsplit("/", 1)[1]
        if name == "empty.html":
            route.fulfill(body="<!doctype html>", content_type="text/html")
        else:
            route.fulfill(path=PLUGIN / name, content_type="text/javascript")

    with browser.new_context() as context:
        page = context.new_page()
        page.route(f"{HOST}/**", respond)
        page.goto(f"{HOST}/empty.html")
        yield page


@pytest.fixture
def call(modules: Page) -> Callable[..., Any]:
    """Return a function that calls one of a module, with arguments that JSON can carry."""

    def call(module: str, function: str, *arguments: Any) -> Any:
        program = "async ([module, name, given]) => (await import(`/${module}.js`))[name](...given)"
        return modules.evaluate(program, [module, function, arguments])

    return call


@pytest.fixture(scope="session")
def programs() -> Iterator[Programs]:
    """Run programs for the tests, and terminate them afterwards."""
    with Programs() as programs:
        yield programs


@pytest.fixture(scope="session")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a file that half of the replicas wait for after their program has finished."""
    return tmp_path_factory.mktemp("gate") / "open"


@pytest.fixture(scope="session")
def emulator(
    browser: Browser, programs: Programs, gate: Path, tmp_path_factory: pytest.TempPathFactory
) -> Emulator:
    """Start an emulator, if a browser is available.

    The image's Python waits for the gate, so that the tests can see running sessions.
    """
    python = tmp_path_factory.mktemp("image") / "python"
    python.write_text(PYTHON.format(python=shlex.quote(sys.executable), gate=shlex.quote(str(gate))))
    python.chmod(0o755)
    # Long enough to see sessions queue, and short enough to see what they use.
    options = [
        "--start-delay",
        "2",
        "--metrics-interval",
        "0.5",
        "--image-folder",
        f"{IMAGE}={python.parent}",
    ]
    return Emulator(programs, tmp_path_factory.mktemp("emulator"), *options)


@pytest.fixture(scope="session")
def local_airflow(
    browser: Browser, programs: Programs, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalAirflow]:
    """Start a real Airflow without a connection, if a browser is available."""
    home = tmp_path_factory.mktemp("airflow")
    settings = {
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__CORE__AUTH_MANAGER": "tests.browser.auth_manager.AuthManager",
        "PYTHONPATH": str(ROOT),
    }
    folders = [ROOT / "example_dags", HERE / "dags"]
    with LocalAirflow(home, folders, programs=programs, env=settings) as local_airflow:
        yield local_airflow


@pytest.fixture(scope="session")
def connection(browser: Browser, local_airflow: LocalAirflow, emulator: Emulator) -> str:
    """Create the connection of the examples as a user would, and return its id."""
    with browser.new_context() as context:
        pages = AirflowPages(context.new_page(), local_airflow.url)
        pages.add_connection("canfar_default", emulator.root, emulator.token)
    return "canfar_default"


@pytest.fixture
def context(request: pytest.FixtureRequest, browser: Browser) -> Iterator[BrowserContext]:
    """Open a new browser context, and take screenshots of its pages if the test fails."""
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        context.set_default_timeout(PAGE_TIMEOUT)
        yield context
        if request.node.stash[FAILED]:
            for number, page in enumerate(context.pages):
                take_screenshot(page, f"{request.node.name}-failed-{number}")


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """Open a tab."""
    return context.new_page()


@pytest.fixture
def airflow(page: Page, local_airflow: LocalAirflow) -> AirflowPages:
    """Show Airflow's pages in that tab."""
    return AirflowPages(page, local_airflow.url)


@pytest.fixture
def portal(context: BrowserContext, emulator: Emulator) -> EmulatorPage:
    """Show the emulator's page in another tab."""
    page = context.new_page()
    page.goto(emulator.root)
    return EmulatorPage(page)


@pytest.fixture
def screenshot() -> Callable[[Page, str], None]:
    """Return a function that saves a screenshot of a page under a name."""
    return take_screenshot


def take_screenshot(page: Page, name: str) -> None:
    """Save a screenshot of the visible part of a page."""
    page.screenshot(path=SCREENSHOTS / f"{name}.png", animations="disabled")
