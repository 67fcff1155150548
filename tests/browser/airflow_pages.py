"""Airflow's pages, as a user operates them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from playwright.sync_api import expect

from tests.browser.sessions_page import SessionsPage

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from dev.airflow_rest import Run


class AirflowPages:
    """Airflow in a browser tab.

    :param page: the tab.
    :param url: the address of Airflow.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url

    # -- connections ------------------------------------------------------------------------------------

    @property
    def dialog(self) -> Locator:
        """The open dialog."""
        return self.page.get_by_role("dialog")

    @property
    def notifications(self) -> Locator:
        """The notifications that Airflow shows for some seconds."""
        return self.page.get_by_role("region", name=re.compile("Notifications"))

    def open_connection_form(self) -> Locator:
        """Open the form of a new connection to the platform, and return it."""
        self.page.goto(f"{self.url}/connections")
        self.page.get_by_role("button", name="Add Connection").first.click()
        kind = self.dialog.get_by_role("combobox", name="Connection Type")
        kind.fill("CANFAR")
        expect(self.dialog.get_by_role("option", name="CANFAR Science Platform")).to_be_visible()
        kind.press("Enter")
        expect(self.dialog.get_by_label("Service URL")).to_be_visible()
        return self.dialog

    def add_connection(self, connection_id: str, root: str, token: str) -> None:
        """Create a connection with the form, and check that the list shows it.

        :param root: the platform's scheme, host and port.
        """
        parts = urlsplit(root)
        form = self.open_connection_form()
        form.get_by_label("Connection ID").fill(connection_id)
        form.get_by_label("Service URL").fill(f"{parts.scheme}://{parts.hostname}/skaha/v1")
        form.get_by_label("Port").fill(str(parts.port))
        form.get_by_label("Token or password").fill(token)
        form.get_by_role("button", name="Save").click()
        expect(self.connection(connection_id)).to_be_visible()

    def connection(self, connection_id: str) -> Locator:
        """Return a connection's row in the list."""
        return self.page.get_by_role("row").filter(has_text=connection_id)

    def test_connection(self, connection_id: str) -> None:
        """Press a connection's Test button."""
        self.page.goto(f"{self.url}/connections")
        self.connection(connection_id).get_by_role("button", name="Test Connection").click()

    # -- DAGs -------------------------------------------------------------------------------------------

    def trigger(self, dag_id: str) -> None:
        """Run a DAG with its button, which opens the page of the run."""
        self.page.goto(f"{self.url}/dags/{dag_id}")
        self.page.get_by_role("button", name="Trigger Dag").click()
        self.dialog.get_by_role("button", name="Trigger", exact=True).click()
        self.page.wait_for_url(f"**/dags/{dag_id}/runs/*")

    def wait_for(self, task_id: str, state: str) -> None:
        """Wait until the page of a run shows a task in a state."""
        expect(self._row(task_id).get_by_text(state, exact=True)).to_be_visible()

    def open_task(self, task_id: str, tab: str = "Details") -> None:
        """Go from the page of a run to the page of one of its tasks."""
        self._row(task_id).get_by_role("link", name=task_id, exact=True).click()
        self.page.get_by_role("link", name=tab, exact=True).click()

    def open_sessions(self, run: Run, task_id: str) -> SessionsPage:
        """Go to the tab *Sessions* of a task."""
        self.page.goto(f"{run.page_url}/tasks/{task_id}/plugin/canfar-sessions")
        expect(self.tab("Sessions")).to_be_visible()
        return SessionsPage(self.page)

    def tab(self, name: str) -> Locator:
        """Return the link that shows one tab of a task's or a run's page."""
        return self.page.get_by_role("link", name=name, exact=True)

    def show_graph(self) -> None:
        """Show the DAG as a graph beside the task's page."""
        self.page.get_by_role("button", name="Show Graph").click()
        # Large enough for the graph and for the task's page down to the buttons.
        self.page.set_viewport_size({"width": 1280, "height": 640})

    def press(self, label: str) -> Page:
        """Press one of a task's buttons, and return the tab that opens."""
        with self.page.expect_popup() as popup:
            self.page.get_by_role("link", name=label, exact=True).click()
        return popup.value

    def _row(self, task_id: str) -> Locator:
        return self.page.get_by_role("row").filter(
            has=self.page.get_by_role("link", name=task_id, exact=True)
        )
