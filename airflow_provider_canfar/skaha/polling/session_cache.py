"""What lists have shown of an account's sessions: read no further than needed, and compared. No I/O.

There are two questions. *All sessions* is one request, and its answer has half a kilobyte for each session.
*Those that have ended* is two requests, as the server compares a status with one word (GetAction.filter), and
its answer has next to nothing in it until something ends. For the server the work is nearly the same: it has
Kubernetes list all of the account's jobs, and then leaves out. So a small account is asked for all sessions
each time, and a large one for those that have ended, with a whole list now and then.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Collection, KeysView, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_canfar.skaha.http.response import unreadable
from airflow_provider_canfar.skaha.models import Session
from airflow_provider_canfar.skaha.naming import SessionName
from airflow_provider_canfar.skaha.statuses import Status

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.http.response import ApiResponse

#: The question for all sessions; others are words of ends.
FULL_LIST = (None,)

#: A list of more bytes than this, some two thousand sessions, is not asked for each time.
LARGE_LIST = 1_000_000

#: Seconds between two whole lists of a large account.
WHOLE_EVERY = 120.0

#: The same while somebody has just come, or misses a session, or goes by more than ends.
WHOLE_SOON = 30.0


class Row(NamedTuple):
    """What those who wait go by, of all that a list says of a session; in the server's words."""

    id: str
    name: str
    kind: str
    status: str
    start_time: str | None
    expiry_time: str | None
    connect_url: str | None

    @property
    def is_final(self) -> bool:
        """Whether the session has ended."""
        return Status.of(self.status).is_final


def _row(data: Mapping[str, Any]) -> Row:
    return Row(
        data.get("id") or "",
        data.get("name") or "",
        data.get("type") or "",
        data.get("status") or "",
        data.get("startTime"),
        data.get("expiryTime"),
        data.get("connectURL"),
    )


class ListResult(NamedTuple):
    """A list that has been read.

    :param question: what was asked: for all sessions, or for those that a word says to have ended.
    :param rows: by id; None where the list is the very one that was read before.
    :param news: the keys in the names of those that are news, by id; None in a name that no task has given.
    :param size: in bytes.
    """

    question: str | None
    digest: bytes
    rows: Mapping[str, Row] | None
    news: Mapping[str, str | None]
    size: int


def read(
    question: str | None, answer: ApiResponse, *, known: bytes = b"", before: Mapping[str, Row] | None = None
) -> ListResult:
    """Read a list, unless it is the one that is known.

    Each session is made a row as soon as it is parsed: that is as fast as json is by itself, takes a fifth of
    the memory, and lets go of the interpreter's lock between two sessions, so that a large list which is read
    in a thread does not stop the event loop.

    :param known: the digest of the list that was read before.
    :param before: the rows that are known.
    :raises ServerError: for what is no list of sessions.
    """
    digest = hashlib.sha256(answer.body).digest()
    if digest == known:
        return ListResult(question, digest, None, {}, len(answer.body))
    try:
        rows = json.loads(answer.body, object_hook=_row)
        # A server that takes no notice of a question for ended ones lists others as well.
        listed = {row.id: row for row in rows if row.id and (question is None or row.is_final)}
        seen = before or {}
        news = {row.id: _key(row.name) for row in listed.values() if seen.get(row.id) != row}
    except (ValueError, TypeError, AttributeError):
        raise unreadable(answer) from None
    return ListResult(question, digest, listed, news, len(answer.body))


def _key(name: str) -> str | None:
    parsed = SessionName.parse(name)
    return None if parsed is None else parsed.key


class SessionCache:
    """What the lists so far have shown of an account's sessions."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        #: The ids of sessions that were seen to end. The platform forgets them; here they have ended.
        self.ended: set[str] = set()
        #: The sessions that tasks have launched, by the keys in their names.
        self.by_key: dict[str, set[str]] = defaultdict(set)
        self._keys: dict[str, str] = {}
        self._sessions: dict[str, Session] = {}
        self._words = {Status.COMPLETED: "Completed", Status.FAILED: "Failed"}
        self._digests: dict[str | None, bytes] = {}
        self._size = 0
        self._whole_at: float | None = None

    def questions(self, now: float, *, urgent: bool) -> tuple[str | None, ...]:
        """Say what to ask for: ``(None,)`` for all sessions, or the words of the ends to ask for.

        :param now: seconds since the epoch.
        :param urgent: whether somebody has just come, or misses a session, or goes by more than ends.
        """
        due = 0.0 if self._size <= LARGE_LIST else WHOLE_SOON if urgent else WHOLE_EVERY
        if self._whole_at is None or now - self._whole_at >= due:
            return FULL_LIST
        # Before October 2025 servers said other words, which their lists have shown in the meantime.
        return tuple(self._words.values())

    def reader(self, question: str | None) -> Callable[[ApiResponse], ListResult]:
        """Return what reads the answer to a question; in a thread, if need be: it changes nothing here."""
        return partial(read, question, known=self._digests.get(question, b""), before=self.rows)

    def take(self, reading: ListResult, at: float) -> None:
        """Take in a list.

        :param at: when it was asked for, in seconds since the epoch.
        """
        if reading.question is None:
            self._whole_at, self._size = at, reading.size
        if reading.rows is None:
            return
        if reading.question is None:
            for session_id in self.rows.keys() - reading.rows.keys():
                self._drop(session_id)
            self.rows = dict(reading.rows)
        else:
            self.rows |= reading.rows
        for session_id, key in reading.news.items():
            self._note(self.rows[session_id], key)
        self._digests[reading.question] = reading.digest

    def missing(self, wanted: KeysView[str], unknown: Collection[str]) -> set[str]:
        """Return those of the ids that the last whole list has omitted, and of which nothing else is known.

        :param unknown: ids that the platform itself does not know: they are not missed any more.
        """
        return (wanted - self.rows.keys() - self.ended).difference(unknown)

    def forget(self, wanted: KeysView[str]) -> None:
        """Forget ended sessions that nobody waits for and no list shows."""
        self.ended &= wanted | self.rows.keys()

    def has_shown(self, session_id: str, *, is_whole: bool) -> bool:
        """Whether the last list has shown a session: a whole one all of them, another those that ended."""
        return session_id in self.rows and (is_whole or session_id in self.ended)

    def session(self, session_id: str) -> Session:
        """Return a session as it was listed last."""
        session = self._sessions.get(session_id)
        if session is None:
            session = Session.model_validate(self.rows[session_id]._asdict())
            self._sessions[session_id] = session
        return session

    def key(self, session_id: str) -> str | None:
        """Return the key in a session's name, where a task has launched it."""
        return self._keys.get(session_id)

    def _note(self, row: Row, key: str | None) -> None:
        """Take in what is news of a session."""
        self._sessions.pop(row.id, None)
        status = Status.of(row.status)
        if status.is_final:
            self.ended.add(row.id)
            self._words[status] = row.status
        if key is not None:
            self._keys[row.id] = key
            self.by_key[key].add(row.id)

    def _drop(self, session_id: str) -> None:
        """Take in that a session is listed no more."""
        self._sessions.pop(session_id, None)
        key = self._keys.pop(session_id, None)
        if key is not None:
            self.by_key[key].discard(session_id)
            if not self.by_key[key]:
                del self.by_key[key]
