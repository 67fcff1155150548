"""The one reader of the platform's lists: what it cannot read, it skips. No I/O but for a line in the log.

An account's list has whatever is in the account, also what people launched by other means. So a row that
cannot be read must not hide the others, and it says nothing about any session.
"""

from __future__ import annotations

import json
import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_canfar.skaha import validation
from airflow_provider_canfar.skaha.duplicates import Listed
from airflow_provider_canfar.skaha.http.response import unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_canfar.skaha.http.response import ApiResponse

log = logging.getLogger(__name__)

T = TypeVar("T")
S = TypeVar("S", bound=Listed)


def read_json(response: ApiResponse, read: Callable[[Mapping[str, Any]], Any] | None = None) -> Any:
    """Return the response's JSON.

    :param read: makes something of each object as soon as it is parsed.
    :raises ServerError: for anything but JSON.
    """
    try:
        return json.loads(response.body, object_hook=read)
    except (ValueError, RecursionError):
        raise unreadable(response) from None


def read_rows(response: ApiResponse, read: Callable[[Mapping[str, Any]], T], kind: type[T]) -> list[T]:
    """Return the rows that are objects, and skip the others.

    Each object becomes a row as soon as it is parsed: that is as fast as json is by itself, takes a fifth of
    the memory, and releases the interpreter's lock between two rows, so that parsing a large list in a thread
    does not stop the event loop.

    :param read: makes a row of an object. It is also called for objects inside of rows.
    :param kind: the type of what it returns.
    :raises ServerError: for anything but a list with objects, or null in their place.
    """
    listed = read_json(response, read)
    if not isinstance(listed, list):
        raise unreadable(response)
    rows = [row for row in listed if isinstance(row, kind)]
    if len(rows) < len(listed):
        if not rows and None not in listed:
            # Some other list of texts or numbers.
            raise unreadable(response)
        _log_once(response.base, response.path, "that are not objects")
    return rows


def read_sessions(response: ApiResponse, read: Callable[[Mapping[str, Any]], S], kind: type[S]) -> list[S]:
    """Return the rows of sessions that have an id, and skip the others.

    :param read: as for :func:`read_rows`.
    :raises ServerError: for anything but a list of sessions.
    """
    rows = read_rows(response, read, kind)
    sessions = [row for row in rows if validation.is_session_id(row.id)]
    if len(sessions) < len(rows):
        _log_once(response.base, response.path, "without an id")
    return sessions


@lru_cache(maxsize=128)
def _log_once(base: str, path: str, which: str) -> None:
    """Log what was skipped, once per process: every poll reads the same list."""
    log.warning(
        "Skipping rows %s in the list of %s/%s; they say nothing about any session.", which, base, path
    )
