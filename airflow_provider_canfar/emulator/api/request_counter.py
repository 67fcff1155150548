"""Counts requests: how much a poll or a retry costs the platform."""

from __future__ import annotations

import re
from collections import Counter

SESSION_ID = re.compile(r"(?<=^/session/)[^/]+")
APP_ID = re.compile(r"(?<=^/session/\{id\}/app/)[^/]+")
CONNECT_URL = re.compile(r"(?<=^/session/)([^/]+)/[^/]+.*")
NODE_PATH = re.compile(r"(?<=^/arc/(?:files|nodes)/).+")
STORAGE_JOB = re.compile(r"(?<=^/arc/)(transfers|async-delete|xfer)/[^/]+")
VIEW = re.compile(rb"(?:^|&)(view=\w+)")


class RequestCounter:
    """Counts requests as they arrive, by method and path template: ``GET /session/{id}?view=logs``."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def count(self, method: str, path: str, query: bytes) -> None:
        """Count one request, even if it gets no response.

        :param path: the whole path. A session's id becomes ``{id}``, the root of the API is removed, and a
            connect URL is shortened to ``/session/notebook/{id}``. The path of a file becomes ``{path}``.
        :param query: counted only by its view.
        """
        if path.startswith("/skaha/v1"):
            template = APP_ID.sub("{app}", SESSION_ID.sub("{id}", path.removeprefix("/skaha/v1")))
        elif path.startswith("/arc/"):
            template = STORAGE_JOB.sub(r"\1/{id}", NODE_PATH.sub("{path}", path))
        else:
            template = CONNECT_URL.sub(r"\1/{id}", path)
        view = VIEW.search(query)
        self._counts[f"{method} {template}{'?' + view[1].decode() if view else ''}"] += 1

    def as_json(self) -> dict[str, int]:
        """Return the counts."""
        return dict(self._counts)

    def clear(self) -> None:
        """Reset all counts."""
        self._counts.clear()
