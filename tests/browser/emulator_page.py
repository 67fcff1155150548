"""The emulator's page, as a user operates it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page


class EmulatorPage:
    """The page at ``/``, in a browser tab."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def log_in(self, token: str) -> None:
        """Enter a token, and press *Log in*."""
        self.page.get_by_label("Token").fill(token)
        self.page.get_by_role("button", name="Log in").click()

    def session(self, session_id: str) -> Locator:
        """Return the row of a session."""
        return self.page.locator(f'[data-session="{session_id}"]')

    def open(self, name: str) -> None:
        """Open the panel of a session, unless it is open."""
        button = self.page.get_by_role("button", name=name, exact=True)
        if button.get_attribute("aria-expanded") != "true":
            button.click()
        expect(self.page.get_by_role("heading", name=name)).to_be_visible()

    @property
    def log(self) -> Locator:
        """The log of the session whose panel is open."""
        return self.page.get_by_role("log")

    def delete(self, name: str) -> None:
        """Delete a session, and check that the page confirms it."""
        self.page.get_by_role("button", name=f"Delete {name}", exact=True).click()
        expect(self.page.get_by_text(f"Deleted {name}.")).to_be_visible()

    def switch(self, fault: str, to: str) -> None:
        """Switch a fault on or off, and check that the page confirms it."""
        button = self.page.get_by_role("button", name=fault, exact=True)
        button.click()
        expect(self.page.get_by_text(f"{fault}: {to}.")).to_be_visible()
        expect(button).to_have_attribute("aria-pressed", re.compile("true" if to == "on" else "false"))
