"""The tab *Sessions* of a task or a run, as a user operates it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page


class SessionsPage:
    """The tab in its frame on Airflow's page.

    :param page: Airflow's page.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.frame = page.frame_locator("iframe[title=Sessions]")

    @property
    def headline(self) -> Locator:
        """How many replicas are in which state."""
        return self.frame.get_by_role("heading", level=1)

    @property
    def notice(self) -> Locator:
        """What stands there where there is nothing to show."""
        return self.frame.get_by_role("status")

    @property
    def grid(self) -> Locator:
        """The cells, or the canvas."""
        return self.frame.get_by_role("listbox", name="Replicas")

    @property
    def cells(self) -> Locator:
        """One element per replica, where there are few."""
        return self.grid.get_by_role("option")

    @property
    def details(self) -> Locator:
        """The panel of the chosen replica."""
        return self.frame.get_by_role("complementary", name="Details of a replica")

    @property
    def tries(self) -> Locator:
        """The tries side by side."""
        return self.frame.get_by_role("region", name="Tries").get_by_role("article")

    def filter(self, state: str) -> Locator:
        """Return the button that shows the replicas of one state."""
        return self.frame.get_by_role("group", name="Filter by state").get_by_role("button", name=state)

    def open(self, replica: int) -> Locator:
        """Choose a replica's cell, and return its details."""
        self.cells.nth(replica - 1).click()
        expect(self.details.get_by_role("heading", name=f"Replica {replica}", exact=True)).to_be_visible()
        return self.details

    def evaluate(self, program: str) -> Any:
        """Run a program in the frame."""
        return self.frame.locator(":root").evaluate(program)
