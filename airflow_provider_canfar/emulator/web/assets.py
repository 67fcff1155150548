"""The files of which the emulator's pages are made, and what a browser is told to do with them."""

from __future__ import annotations

from functools import cache
from importlib import resources

#: Nothing comes from elsewhere, nothing runs that is not a file of ours, and nobody puts us into a frame.
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


@cache
def asset(name: str) -> str:
    """Return a file of the folder ``page``."""
    return resources.files(__package__).joinpath("page", name).read_text(encoding="utf-8")
