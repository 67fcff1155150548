"""A user runs DAGs, and opens the sessions with the buttons on a task's page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.emulator_page import EmulatorPage
from tests.browser.sessions_page import SessionsPage

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from dev.airflow_rest import Run
    from dev.local_airflow import LocalAirflow
    from dev.platforms import Emulator
    from tests.browser.airflow_pages import AirflowPages

pytestmark = pytest.mark.usefixtures("inspection")


@pytest.fixture(name="inspection", scope="module")
def _inspection(connection: str, local_airflow: LocalAirflow) -> Run:
    """Start the DAG that waits for a person; it keeps running during the tests."""
    return local_airflow.rest.trigger("human_in_the_loop")


def test_open_session_shows_the_log_of_a_headless_session(
    airflow: AirflowPages, emulator: Emulator, screenshot: Callable[[Page, str], None]
) -> None:
    airflow.trigger("hello")
    airflow.wait_for("hello", "Success")
    airflow.open_task("hello")
    screenshot(airflow.page, "airflow-hello")
    session = airflow.press("Open session")
    # A user who is not logged in must log in to the platform first.
    EmulatorPage(session).log_in(emulator.token)
    expect(session.get_by_text("Hello, World! This is manual__")).to_be_visible()
    assert session.url.startswith(f"{emulator.root}/skaha/v1/session/")
    screenshot(session, "session-hello")

    portal = EmulatorPage(airflow.press("Science Portal"))
    (record,) = [one for one in emulator.all_sessions() if one["name"].startswith("hello-")]
    row = portal.session(record["id"])
    expect(row).to_contain_text("Completed")
    assert portal.page.url == f"{emulator.root}/"


def test_open_session_of_many_shows_them_to_choose_one(
    airflow: AirflowPages, local_airflow: LocalAirflow, emulator: Emulator, tmp_path: Path
) -> None:
    run = local_airflow.rest.trigger("eight", {"folder": str(tmp_path)})
    run.wait_for("detect_stars", "deferred", timeout=180)
    airflow.page.goto(run.page_url)
    airflow.open_task("detect_stars")
    airflow.page.get_by_role("link", name="Open session", exact=True).click()
    tab = SessionsPage(airflow.page)
    expect(tab.cells).to_have_count(8)
    expect(airflow.tab("Sessions")).to_have_attribute("aria-current", "page")
    tab.open(3)
    with airflow.page.context.expect_page() as opened:
        tab.details.get_by_role("link", name="Open session").click()
    EmulatorPage(opened.value).log_in(emulator.token)
    expect(opened.value.get_by_text("Replica 3 waits")).to_be_visible()

    for name in ("mended", *"12345678"):
        (tmp_path / name).touch()
    assert run.wait(timeout=120) == "success"


def test_open_session_shows_a_notebook_and_the_portal_deletes_it(
    airflow: AirflowPages, emulator: Emulator, inspection: Run, screenshot: Callable[[Page, str], None]
) -> None:
    airflow.page.goto(inspection.page_url)
    airflow.wait_for("wait_for_person", "Deferred")
    airflow.open_task("inspect")
    notebook = airflow.press("Open session")
    (record,) = [one for one in emulator.all_sessions() if one["kind"] == "notebook"]
    expect(notebook.get_by_role("heading", name=record["name"])).to_be_visible()
    expect(notebook.get_by_text("Running", exact=True)).to_be_visible()
    screenshot(notebook, "session-notebook")

    portal = EmulatorPage(airflow.press("Science Portal"))
    portal.log_in(emulator.token)
    portal.delete(record["name"])
    notebook.reload()
    expect(notebook.get_by_text("404 page not found")).to_be_visible()

    # Airflow does not know that: the task has left the notebook to its user.
    tab = airflow.open_sessions(inspection, "inspect")
    expect(tab.headline).to_have_text("1 replica: 1 launched")
