"""Serves the page's files, with headers that restrict what a browser does with them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.staticfiles import StaticFiles

if TYPE_CHECKING:
    from starlette.responses import Response

FOLDER = Path(__file__).parent / "static"

#: Loads, runs and calls only what is on Airflow's own host, and lets no other site show the page in a frame.
POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"

HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    # A browser asks whether a file has changed: after an upgrade, all are of one release.
    "Cache-Control": "no-cache",
}


class _PageFiles(StaticFiles):
    """The files, which contain nothing about sessions and so need no login."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """Add the headers."""
        response = super().file_response(*args, **kwargs)
        response.headers.update(HEADERS)
        return response


@cache
def static_files() -> StaticFiles:
    """Return the application that serves the folder ``static``."""
    return _PageFiles(directory=FOLDER)
