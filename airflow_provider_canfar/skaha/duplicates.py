"""One id is one session, however often a list shows it. Pure.

Servers before 1.0.0 list pods, and a session may have two: one that is Terminating, and the one that replaces
it. There, the apps of a desktop also have the desktop's id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from airflow_provider_canfar.skaha.statuses import Kind, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable
    from datetime import datetime


class Listed(Protocol):
    """A session as a list shows it, parsed or in the server's words."""

    @property
    def id(self) -> str:
        """The platform's id."""

    @property
    def kind(self) -> str:
        """Its kind."""

    @property
    def status(self) -> str:
        """Its status."""

    @property
    def start_time(self) -> datetime | str | None:
        """When it started."""


K = TypeVar("K", bound="Hashable")
T = TypeVar("T")
S = TypeVar("S", bound=Listed)

# Of two rows, the one with the later of these counts. A session with a live row is alive. An end counts for
# more than a pod that is being deleted; of two ends, the failure counts, because a success must be certain.
_PRECEDENCE = {
    status: place
    for place, status in enumerate(
        (
            Status.TERMINATING,
            Status.COMPLETED,
            Status.FAILED,
            Status.UNKNOWN,
            Status.PENDING,
            Status.RUNNING,
        )
    )
}


def one_per_id(sessions: Iterable[S]) -> dict[str, S]:
    """Return sessions by id, in the list's order: of several rows of one, the live, later state.

    >>> from airflow_provider_canfar.skaha.models import Session
    >>> rows = [Session(id="k3v9x2qa", status=status) for status in ("Running", "Terminating")]
    >>> one_per_id(rows)["k3v9x2qa"].status_word
    'Running'
    """
    return first_of_each(sessions, lambda session: session.id, precedence)


def first_of_each(rows: Iterable[T], key: Callable[[T], K], order: Callable[[T], Any]) -> dict[K, T]:
    """Return one row for each key: that with the highest order, in the place of the first."""
    chosen: dict[K, T] = {}
    for row in rows:
        one = key(row)
        if one not in chosen or order(row) > order(chosen[one]):
            chosen[one] = row
    return chosen


def precedence(session: Listed) -> tuple[bool, int, str]:
    """Return a sort key for the rows of one session: the last one counts. An app is not its desktop."""
    started = session.start_time
    when = started if isinstance(started, str) else started.isoformat() if started else ""
    return (session.kind != Kind.DESKTOP_APP, status_precedence(Status.of(session.status)), when)


def status_precedence(status: Status) -> int:
    """Return which of two statuses of one session counts: the higher one."""
    return _PRECEDENCE[status]
