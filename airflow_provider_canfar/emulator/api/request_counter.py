"""How often each call was made: what a poll or a retry costs the platform."""

from __future__ import annotations

import re
from collections import Counter

SESSION_ID = re.compile(r"(?<=/session/)[^/]+")
CONNECT_URL = re.compile(r"(?<=^/session/)([^/]+)/[^/]+.*")
VIEW = re.compile(rb"(?:^|&)(view=\w+)")


class RequestCounter:
    """Counts requests by method and shape of path, ``GET /session/{id}?view=logs``, as they come in."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def count(self, method: str, path: str, query: bytes) -> None:
        """Count one request, answered or not.

        :param path: the whole path; a session's id becomes ``{id}``, and the API's root is left out. Of a
            connect URL remains ``/session/notebook/{id}``.
        :param query: only its view is kept.
        """
        if path.startswith("/skaha/v1"):
            shape = SESSION_ID.sub("{id}", path.removeprefix("/skaha/v1"))
        else:
            shape = CONNECT_URL.sub(r"\1/{id}", path)
        view = VIEW.search(query)
        self._counts[f"{method} {shape}{'?' + view[1].decode() if view else ''}"] += 1

    def as_json(self) -> dict[str, int]:
        """Return the counts."""
        return dict(self._counts)

    def clear(self) -> None:
        """Begin again at zero."""
        self._counts.clear()
