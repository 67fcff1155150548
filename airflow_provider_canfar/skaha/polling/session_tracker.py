"""Which sessions are listed, which have ended, which are gone: what lists have said of each so far. Pure.

Tasks, sensors and asset watchers all decide by this one tracker, so that *Gone* means the same everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from airflow_provider_canfar.skaha.duplicates import one_per_id
from airflow_provider_canfar.skaha.statuses import GONE, Status

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.models import Session
    from airflow_provider_canfar.skaha.polling.session_cache import Row
    from airflow_provider_canfar.skaha.selection import Selection

#: A session counts as missing after this many lists in a row without it: a new one may stay unlisted
#: for minutes, and a list in the middle of an outage may be short. Then it is asked for by its id.
LISTS_UNTIL_MISSING = 3


class StatusChange(NamedTuple):
    """A session has another status than before.

    >>> print(StatusChange("k3v9x2qa", "stars-1", "Pending", "Running"))
    stars-1 k3v9x2qa: Pending → Running

    :param previous: None where it is seen for the first time.
    """

    session_id: str
    name: str
    previous: str | None
    status: str

    def __str__(self) -> str:
        change = f"{self.previous} → {self.status}" if self.previous else self.status
        return f"{self.name} {self.session_id}: {change}"


class SessionTracker:
    """What lists have shown of sessions, by id.

    A session stays tracked when lists omit it. It is *Gone* when several in a row have, and the platform
    answers 404 for its id; one that had ended before stays as it ended.

    :param ids: sessions to track from the start.
    :param rows: what an earlier tracker knew, as :func:`session_summary` writes it.
    :param matches: picks sessions to track besides, of all that are listed.
    """

    def __init__(
        self,
        ids: Iterable[str] = (),
        rows: Iterable[Mapping[str, Any]] = (),
        matches: Callable[[Session | Row], bool] | None = None,
    ) -> None:
        self.rows: dict[str, dict[str, Any]] = {
            session_id: {"session_id": session_id, "status": None} for session_id in ids
        }
        self.rows |= {row["session_id"]: dict(row) for row in rows}
        #: The platform's word for the end of each session that has ended; those that are gone left out.
        self.ended: dict[str, str] = {}
        #: The ids of sessions that are gone.
        self.gone: set[str] = set()
        self._matches = matches
        self._omitted: dict[str, int] = {}
        for session_id, row in self.rows.items():
            self._note_end(session_id, row["status"])

    @classmethod
    def of_selection(cls, selection: Selection, rows: Iterable[Mapping[str, Any]] = ()) -> Self:
        """Return a tracker of the sessions that a selection chooses, by their ids or by their names."""
        return cls(selection.ids or (), rows, selection.matches if selection.by_name else None)

    def wanted(self) -> dict[str, Any]:
        """Return which sessions to subscribe to, as arguments of a :class:`.subscriptions.Subscribe`."""
        ids = [session_id for session_id, row in self.rows.items() if not has_ended(row)]
        return {"ids": ids, "choose": self._matches}

    def observe(self, sessions: Iterable[Session], *, is_complete: bool = True) -> list[StatusChange]:
        """Take in a list, and return what has changed.

        :param is_complete: whether the list shows every session, so that an omitted one may be gone.
        """
        listed = one_per_id(sessions)
        changes = self.update(
            session
            for session in listed.values()
            if session.id in self.rows or (self._matches is not None and self._matches(session))
        )
        for session_id, row in self.rows.items():
            if session_id in listed or has_ended(row):
                self._omitted.pop(session_id, None)
            elif is_complete:
                self._omitted[session_id] = self._omitted.get(session_id, 0) + 1
        return changes

    def update(self, sessions: Iterable[Session]) -> list[StatusChange]:
        """Take in single sessions, and return what has changed."""
        changes = []
        for session in sessions:
            if session.id in self.ended and not session.status.is_final:
                continue  # A session that ended and is being deleted may be listed as Terminating.
            before = self.rows.get(session.id, {}).get("status")
            self.rows[session.id] = session_summary(session)
            if before != session.status_word:
                changes.append(StatusChange(session.id, session.name, before, session.status_word))
                self._note_end(session.id, session.status_word)
        return changes

    def missing_ids(self) -> list[str]:
        """Return the ids that lists have omitted often enough to ask for each by itself."""
        return [session_id for session_id, times in self._omitted.items() if times >= LISTS_UNTIL_MISSING]

    @property
    def is_in_doubt(self) -> bool:
        """Whether a list has omitted a session, and not yet often enough to ask for it."""
        return any(times < LISTS_UNTIL_MISSING for times in self._omitted.values())

    def mark_gone(self, session_ids: Iterable[str]) -> None:
        """Take in that the platform answers 404 for these."""
        for session_id in session_ids:
            self.rows[session_id]["status"] = GONE
            self._note_end(session_id, GONE)
            self._omitted.pop(session_id, None)

    def forget(self, session_id: str) -> None:
        """Track a session no longer."""
        self.rows.pop(session_id, None)
        self.ended.pop(session_id, None)
        self.gone.discard(session_id)
        self._omitted.pop(session_id, None)

    def _note_end(self, session_id: str, status: str | None) -> None:
        self.ended.pop(session_id, None)
        self.gone.discard(session_id)
        if status == GONE:
            self.gone.add(session_id)
        elif Status.of(status).is_final:
            self.ended[session_id] = status or ""


def session_summary(session: Session) -> dict[str, Any]:
    """Write a session as an XCom shows it."""
    return {
        "session_id": session.id,
        "name": session.name,
        "kind": str(session.kind),
        "status": session.status_word,
        "started": session.start_time.isoformat() if session.start_time else None,
        "url": session.connect_url,
    }


def normalized_status(row: Mapping[str, Any]) -> str:
    """Return one word for each meaning that a status has: a :class:`Status`, or ``Gone``."""
    return GONE if row["status"] == GONE else Status.of(row["status"]).value


def has_ended(row: Mapping[str, Any]) -> bool:
    """Whether nothing comes after this status."""
    return row["status"] == GONE or Status.of(row["status"]).is_final


def parse_end_statuses(given: Iterable[str]) -> tuple[str, ...]:
    """Parse statuses as people write them, ``Gone`` among them.

    >>> parse_end_statuses(["succeeded", "Gone"])
    ('Completed', 'Gone')
    """
    return tuple(GONE if word.capitalize() == GONE else Status.parse(word).value for word in given)
