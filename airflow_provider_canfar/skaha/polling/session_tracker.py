"""Every session that a selection has ever chosen, and what was last seen of each. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_canfar.skaha.statuses import GONE, Status

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.models import Session
    from airflow_provider_canfar.skaha.selection import Selection

#: A session counts as missing after this many lists in a row without it: a new one may stay unlisted
#: for minutes, and a list in the middle of an outage may be short. Then it is asked for by its id.
LISTS_UNTIL_MISSING = 3


class SessionTracker:
    """Who is there, who has ended, and who is missing.

    A session stays on the roll when lists omit it. It is *Gone* when several in a row have, and the platform
    answers 404 for its id; one that had ended before stays as it ended.

    :param rows: what an earlier roll knew.
    """

    def __init__(self, selection: Selection, rows: Iterable[Mapping[str, Any]] = ()) -> None:
        self.selection = selection
        self.rows: dict[str, dict[str, Any]] = {
            session_id: {"session_id": session_id, "status": None} for session_id in selection.ids or ()
        }
        self.rows |= {row["session_id"]: dict(row) for row in rows}
        self._omitted: dict[str, int] = {}

    def wanted(self) -> dict[str, Any]:
        """Say which sessions to wait for, in the words of :meth:`~.skaha.watch.SessionPoller.subscribe`."""
        return {
            "ids": [session_id for session_id, row in self.rows.items() if not has_ended(row)],
            "choose": self.selection.matches if self.selection.by_name else None,
        }

    def observe(self, sessions: Iterable[Session], at: float, *, is_complete: bool = True) -> list[str]:
        """Take in what a list shows, and return the ids of those whose status is news.

        :param is_complete: whether one that is not listed is missing.
        """
        listed = list(sessions)
        news = self.update(self.selection.choose(listed, at))
        there = {session.id for session in listed}
        for session_id, row in self.rows.items():
            if session_id in there or has_ended(row):
                self._omitted.pop(session_id, None)
            elif is_complete:
                self._omitted[session_id] = self._omitted.get(session_id, 0) + 1
        return news

    def update(self, sessions: Iterable[Session]) -> list[str]:
        """Take in sessions, and return the ids of those whose status is news."""
        news = []
        for session in sessions:
            if self.rows.get(session.id, {}).get("status") != session.status_word:
                news.append(session.id)
            self.rows[session.id] = session_summary(session)
        return news

    def missing_ids(self) -> list[str]:
        """Return the ids that lists have omitted often enough to ask for each by itself."""
        return [session_id for session_id, times in self._omitted.items() if times >= LISTS_UNTIL_MISSING]

    @property
    def is_in_doubt(self) -> bool:
        """Whether a list has omitted something, and not yet often enough to tell."""
        return any(times < LISTS_UNTIL_MISSING for times in self._omitted.values())

    def mark_gone(self, session_ids: Iterable[str]) -> None:
        """Take in that the platform answers 404 for these."""
        for session_id in session_ids:
            self.rows[session_id]["status"] = GONE
            self._omitted.pop(session_id, None)


def session_summary(session: Session) -> dict[str, Any]:
    """Write a session as people read it in XCom."""
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
    """Whether nothing comes after this."""
    return row["status"] == GONE or Status.of(row["status"]).is_final


def parse_end_statuses(given: Iterable[str]) -> tuple[str, ...]:
    """Read statuses as people write them, ``Gone`` among them.

    >>> parse_end_statuses(["succeeded", "Gone"])
    ('Completed', 'Gone')
    """
    return tuple(GONE if word.capitalize() == GONE else Status.parse(word).value for word in given)


def describe(row: Mapping[str, Any], before: str | None = None) -> str:
    """Say what became of a session."""
    change = f"{before} → {row['status']}" if before else row["status"]
    return f"{row.get('name') or 'session'} {row['session_id']}: {change}"
