"""Requests to an Airflow that is busy or away, as scenarios make it."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from threading import Lock
from typing import TypeVar

import httpx

from dev.waiting import wait_until

T = TypeVar("T")

#: Seconds for a change; it takes less than one on two idle cores.
CHANGE_TIMEOUT = 150.0

#: Serializes changes to Airflow's database.
_CHANGE = Lock()


def change(request: Callable[[], T]) -> T:
    """Send a request that changes something, and retry it while Airflow's database is busy.

    The API server writes its audit log in its event loop. SQLite serializes writes, so that write can wait
    for another one whose commit needs the event loop, until SQLite gives up. Nothing has changed then.
    """
    with _CHANGE:

        def attempt() -> list[T]:
            try:
                return [request()]
            except httpx.HTTPStatusError as error:
                if error.response.status_code != HTTPStatus.INTERNAL_SERVER_ERROR:
                    raise
                return []

        return wait_until(attempt, description="a change in Airflow", timeout=CHANGE_TIMEOUT)[0]


def answer(request: Callable[[], T]) -> T | None:
    """Return what a request returns; None when Airflow's API server is away or has an error."""
    try:
        return request()
    except httpx.TransportError:
        return None
    except httpx.HTTPStatusError as error:
        if not error.response.is_server_error:
            raise
        return None
