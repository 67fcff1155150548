"""The files of the pages, and the headers that restrict what a browser does with them."""

from __future__ import annotations

from functools import cache
from importlib import resources

#: Loads and runs only the emulator's own files, and lets no other site show the page in a frame.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}

SCRIPTS = (
    *("page.js", "actions.js", "dom.js", "faults.js", "files.js", "http.js", "login.js"),
    *("panel.js", "sessions.js", "state.js", "text.js"),
)

#: The files that a page may load, with their media types.
PAGE_FILES = {"page.css": "text/css", **dict.fromkeys(SCRIPTS, "text/javascript")}


@cache
def asset(name: str) -> str:
    """Return a file of the folder ``page``."""
    return resources.files(__package__).joinpath("page", name).read_text(encoding="utf-8")
