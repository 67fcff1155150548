"""What lists have shown of an account's sessions: parsed no further than needed, and compared. No I/O.

There are two queries. *All sessions* is one request, and its response has half a kilobyte for each session.
*Ended sessions* is two requests, as the server compares a status with one word (GetAction.filter), and its
response is nearly empty until something ends. For the server the work is about the same: it has Kubernetes
list all of the account's jobs, and then filters. So the poll lists all sessions of a small account each time,
and only the ended ones of a large account, with a full list now and then.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, KeysView, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_canfar.skaha.duplicates import one_per_id
from airflow_provider_canfar.skaha.fields import text
from airflow_provider_canfar.skaha.json_rows import read_sessions
from airflow_provider_canfar.skaha.models import Session
from airflow_provider_canfar.skaha.naming import SessionName
from airflow_provider_canfar.skaha.polling.usage import InUse, UsageHistory, in_use
from airflow_provider_canfar.skaha.statuses import Status

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.http.response import ApiResponse

#: The statuses to query for a list of all sessions; another query has the words of ended ones.
FULL_LIST = (None,)

#: A full list of more bytes than this, some two thousand sessions, is not requested at every poll.
LARGE_LIST_BYTES = 1_000_000

#: Seconds between two full lists of a large account.
FULL_LIST_INTERVAL = 120.0

#: The same if a subscription is new, misses a session, or chooses by more than ids.
URGENT_FULL_LIST_INTERVAL = 30.0


# What says what a session is, in the order of a row's own.
_FIELDS = ("id", "name", "type", "status", "startTime", "expiryTime", "connectURL")


class Row(NamedTuple):
    """The fields of a listed session that subscribers use, in the server's words; ``""`` if absent."""

    id: str
    name: str
    kind: str
    status: str
    start_time: str
    expiry_time: str
    connect_url: str
    #: These change in every list, and are no change of the session; as the server has written them.
    ram_in_use: Any = ""
    cores_in_use: Any = ""

    def is_same(self, other: Row | None) -> bool:
        """Whether another list shows the same of the session, apart from what it uses."""
        return other is not None and self[: len(_FIELDS)] == other[: len(_FIELDS)]

    @property
    def is_final(self) -> bool:
        """Whether the session has ended."""
        return Status.of(self.status).is_final


def _row(data: Mapping[str, Any]) -> Row:
    words = map(text, map(data.get, _FIELDS))
    return Row._make([*words, data.get("ramInUse"), data.get("cpuCoresInUse")])


class ListResult(NamedTuple):
    """A parsed list.

    :param status: the status in the query; None for all sessions.
    :param rows: by id; None if the list is the same as the one before.
    :param changed: the keys in the names of new and changed sessions, by id; None for a name that no task
        gave.
    :param size: in bytes.
    :param usage: what running sessions use, by id; those of which the list says nothing are left out.
    :param repeated: the ids that it has several rows of.
    """

    status: str | None
    digest: bytes
    rows: Mapping[str, Row] | None
    changed: Mapping[str, str | None]
    size: int
    usage: Mapping[str, InUse] = {}
    repeated: frozenset[str] = frozenset()


def parse_list(
    status: str | None,
    response: ApiResponse,
    *,
    known_digest: bytes = b"",
    known_rows: Mapping[str, Row] | None = None,
    repeated: Collection[str] = (),
) -> ListResult:
    """Parse a list, unless it is the one before.

    :param known_digest: the digest of the list before.
    :param known_rows: the rows so far.
    :param repeated: the ids that the last full list had several rows of. A list of ended sessions shows only
        the ended rows of these, which say nothing about the others.
    :raises ServerError: for anything but a list of sessions.
    """
    digest = hashlib.sha256(response.body).digest()
    if digest == known_digest:
        return ListResult(status, digest, None, {}, len(response.body))
    rows = read_sessions(response, _row, Row)
    # A server that ignores the status in the query lists other sessions as well.
    several = [row for row in rows if status is None or (row.is_final and row.id not in repeated)]
    listed = one_per_id(several)
    known = known_rows or {}
    changed = {row.id: _key_in(row.name) for row in listed.values() if not row.is_same(known.get(row.id))}
    # Counting takes as long as parsing does, and nearly no list has an id twice.
    counts = Counter(row.id for row in several) if len(listed) < len(several) else Counter[str]()
    again = frozenset(session_id for session_id, count in counts.items() if count > 1)
    usage = {
        row.id: used
        for row in listed.values()
        if (used := in_use(row.ram_in_use, row.cores_in_use)) is not None
    }
    return ListResult(status, digest, listed, changed, len(response.body), usage, again)


def _key_in(name: str) -> str | None:
    parsed = SessionName.parse(name)
    return None if parsed is None else parsed.key


class SessionCache:
    """The account's sessions, as the lists so far have shown them.

    :param usage: keeps what they use; it may outlive this.
    """

    def __init__(self, usage: UsageHistory | None = None) -> None:
        self.usage = usage or UsageHistory()
        self.rows: dict[str, Row] = {}
        #: The ids of sessions whose end was listed. The platform forgets them; here they have ended.
        self.ended: set[str] = set()
        #: The sessions that tasks have launched, by the keys in their names.
        self.by_key: dict[str, set[str]] = defaultdict(set)
        self._keys: dict[str, str] = {}
        self._sessions: dict[str, Session] = {}
        self._end_words = {Status.COMPLETED: "Completed", Status.FAILED: "Failed"}
        self._digests: dict[str | None, bytes] = {}
        self._repeated: frozenset[str] = frozenset()
        self._full_list_size = 0
        self._full_list_at: float | None = None

    def query(self, now: float, *, urgent: bool) -> tuple[str | None, ...]:
        """Return the statuses to list: :data:`FULL_LIST`, or the server's words for ended sessions.

        :param now: seconds since the epoch.
        :param urgent: whether a subscription is new, misses a session, or chooses by more than ids.
        """
        is_small = self._full_list_size <= LARGE_LIST_BYTES
        interval = 0.0 if is_small else URGENT_FULL_LIST_INTERVAL if urgent else FULL_LIST_INTERVAL
        if self._full_list_at is None or now - self._full_list_at >= interval:
            return FULL_LIST
        # Before October 2025 servers used other words, which their full lists have shown by now.
        return tuple(self._end_words.values())

    def parser(self, status: str | None) -> Callable[[ApiResponse], ListResult]:
        """Return the function that parses a list. It may run in a thread: it changes nothing here."""
        return partial(
            parse_list,
            status,
            known_digest=self._digests.get(status, b""),
            known_rows=self.rows,
            repeated=self._repeated,
        )

    def update(self, result: ListResult, at: float) -> None:
        """Add a list.

        :param at: when it was requested, in seconds since the epoch.
        """
        if result.status is None:
            self._full_list_at, self._full_list_size = at, result.size
        if result.rows is None:
            return
        self.usage.observe(result.usage, at)
        if result.status is None:
            for session_id in self.rows.keys() - result.rows.keys():
                self._remove(session_id)
            self.rows = dict(result.rows)
            self._repeated = result.repeated
        else:
            self.rows |= result.rows
        for session_id, key in result.changed.items():
            self._add(self.rows[session_id], key)
        self._digests[result.status] = result.digest

    def missing(self, wanted: KeysView[str], unknown: Collection[str]) -> set[str]:
        """Return the wanted ids that the last full list omitted, unless their end or absence is known.

        :param unknown: ids that the platform itself does not know.
        """
        return (wanted - self.rows.keys() - self.ended).difference(unknown)

    def forget_ended(self, wanted: KeysView[str]) -> None:
        """Forget ended sessions that no subscription wants and no list shows."""
        self.ended &= wanted | self.rows.keys()

    def is_listed(self, session_id: str, *, is_complete: bool) -> bool:
        """Whether the last list has a session: a full list has all of them, another those that ended."""
        return session_id in self.rows and (is_complete or session_id in self.ended)

    def session(self, session_id: str) -> Session:
        """Return a session as it was last listed."""
        session = self._sessions.get(session_id)
        if session is None:
            row = self.rows[session_id]
            # Without its usage, which would be that of the list in which it last changed.
            session = Session.model_validate(row._replace(ram_in_use="", cores_in_use="")._asdict())
            self._sessions[session_id] = session
        return session

    def key_of(self, session_id: str) -> str | None:
        """Return the key in a session's name, if a task has launched it."""
        return self._keys.get(session_id)

    def _add(self, row: Row, key: str | None) -> None:
        self._sessions.pop(row.id, None)
        status = Status.of(row.status)
        if status.is_final:
            self.ended.add(row.id)
            self._end_words[status] = row.status
        if key is not None:
            self._keys[row.id] = key
            self.by_key[key].add(row.id)

    def _remove(self, session_id: str) -> None:
        self._sessions.pop(session_id, None)
        key = self._keys.pop(session_id, None)
        if key is not None:
            self.by_key[key].discard(session_id)
            if not self.by_key[key]:
                del self.by_key[key]
