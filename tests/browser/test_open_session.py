"""A user runs DAGs, and opens the sessions with the buttons on a task's page."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.emulator_page import EmulatorPage

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
