"""Choosing sessions out of an account's list: by ids, or by name, with kind, status and age. Pure.

Cleanup destroys what a selection chooses, a sensor waits for it, an asset's watcher fires for it.
"""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_canfar.skaha import validation as rules
from airflow_provider_canfar.skaha.errors import SpecError
from airflow_provider_canfar.skaha.naming import SessionName
from airflow_provider_canfar.skaha.statuses import Kind, Status

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.models import Session
    from airflow_provider_canfar.skaha.polling.session_cache import Row

#: What the server takes in a name (PostAction.validateName). A prefix with anything else in it matches none.
_PREFIX = re.compile(r"[A-Za-z0-9-]*")

#: Names that have no letter in common. A regular expression that finds all of one length says nothing about
#: what is in a name.
_PROBES = tuple([letter * length for letter in string.ascii_lowercase] for length in (1, 4, 16))


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which sessions. All that is given must hold; what is left out holds for any session.

    >>> Selection(prefix="stars-", kinds=("headless",)).to_json()["kinds"]
    ['headless']

    :param ids: these, by their ids; ``()`` is none at all.
    :param prefix: what their names start with. The server keeps names in lower case; case does not matter.
    :param regex: a regular expression that is searched for in their names. ``^`` and ``$`` anchor it.
    :param keys: those that tasks of Airflow have launched, by the keys in their names; ``()`` is none at all.
    :param kinds: of these kinds.
    :param statuses: in these statuses; old and new words for one meaning are the same.
    :param older_than: seconds since their start. A session that has not started has no age, and is left out.
    :raises SpecError: naming the value, the rule and a way out.
    """

    ids: tuple[str, ...] | None = None
    prefix: str | None = None
    regex: str | None = None
    keys: tuple[str, ...] | None = None
    kinds: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    older_than: float | None = None

    def __post_init__(self) -> None:
        given = [name for name in ("ids", "prefix", "regex", "keys") if getattr(self, name) is not None]
        if len(given) > 1:
            raise SpecError(f"{' and '.join(given)} are given together. Choose sessions by one of them.")
        for session_id in self.ids or ():
            rules.session_id(session_id)
        if self.prefix is not None and not _PREFIX.fullmatch(self.prefix):
            raise SpecError(
                f"The prefix {self.prefix!r} is refused: names have letters, digits and '-' only, so none "
                "starts with it. Give a regular expression as regex."
            )
        if self.regex is not None:
            try:
                re.compile(self.regex)
            except re.error as error:
                raise SpecError(f"The regex {self.regex!r} is refused: {error}. Correct it.") from None
        for kind in self.kinds:
            if kind not in set(Kind):
                raise SpecError(f"The kind {kind!r} is refused: there are {', '.join(Kind)}. Choose of them.")
        for status in self.statuses:
            status_of(status)
        if self.older_than is not None and self.older_than < 0:
            raise SpecError(f"An age of {self.older_than:g} s is refused: it cannot be below zero.")

    @property
    def by_name(self) -> bool:
        """Whether names decide, so that sessions which nobody has seen yet may come to be chosen."""
        return self.ids is None

    def reason_to_refuse(self) -> str | None:
        """Say why it chooses every session, whatever its name; None when it does not."""
        if self.ids is not None or self.keys is not None:
            return None
        if self.regex is not None:
            pattern = re.compile(self.regex, re.IGNORECASE)
            if any(all(map(pattern.search, probes)) for probes in _PROBES):
                return f"the regex {self.regex!r} is found in every name"
            return None
        if self.prefix is None:
            return "neither ids nor prefix nor regex is given"
        return None if self.prefix else "the prefix is empty, which every name starts with"

    def matches(self, session: Session | Row) -> bool:
        """Whether its id, name and kind are those of a chosen one, whatever its status and age."""
        return self._names(session) and (not self.kinds or session.kind in self.kinds)

    def choose(self, sessions: Iterable[Session], now: float) -> list[Session]:
        """Return the sessions that it chooses, in the list's order.

        :param now: seconds since the epoch.
        """
        statuses = {status_of(word) for word in self.statuses}
        return [
            session
            for session in sessions
            if self.matches(session)
            and (not statuses or session.status in statuses)
            and (self.older_than is None or _age(session, now) >= self.older_than)
        ]

    def _names(self, session: Session | Row) -> bool:
        if self.ids is not None:
            return session.id in self.ids
        if self.keys is not None:
            name = SessionName.parse(session.name)
            return name is not None and name.task_key in self.keys
        if self.regex is not None:
            return re.search(self.regex, session.name, re.IGNORECASE) is not None
        return session.name.lower().startswith((self.prefix or "").lower())

    def __str__(self) -> str:
        """Say in words what it chooses, for people."""
        if self.ids is not None:
            words = f"the sessions {', '.join(self.ids) or '(none)'}"
        elif self.keys is not None:
            words = f"the sessions of {len(self.keys)} task instances"
        elif self.regex is not None:
            words = f"the sessions in whose names {self.regex!r} is found"
        else:
            words = f"the sessions whose names start with {self.prefix!r}" if self.prefix else "all sessions"
        if self.kinds:
            words += f" of kind {' or '.join(self.kinds)}"
        if self.statuses:
            words += f" that are {' or '.join(self.statuses)}"
        return words if self.older_than is None else f"{words} and older than {self.older_than:g} s"

    def to_json(self) -> dict[str, Any]:
        """Write it as a trigger's argument."""
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read it back; what another release wrote and this one does not know is left aside.

        :raises SpecError: as the class does.
        """
        known = {one.name for one in fields(cls)}
        read: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in data.items()
            if name in known
        }
        return cls(**read)


def status_of(word: str) -> Status:
    """Read a status that somebody has written.

    :raises SpecError: for a word that no server says.
    """
    status = Status.of(word)
    if status is Status.UNKNOWN:
        known = ", ".join(one for one in Status if one is not Status.UNKNOWN)
        raise SpecError(f"The status {word!r} is refused: there are {known}. Choose of them.")
    return status


def session_ids(value: Any) -> tuple[str, ...] | None:
    """Read ids as people and upstream tasks give them; None for none given.

    One id or several; a string of them with commas or spaces between; a list as a template renders it; what
    an operator of this provider has returned or pushed, which has them as ``session_id``.

    >>> session_ids("k3v9x2qa, m0d4tt7z")
    ('k3v9x2qa', 'm0d4tt7z')
    >>> session_ids("['k3v9x2qa']"), session_ids([{"replica": 1, "session_id": "k3v9x2qa"}]), session_ids([])
    (('k3v9x2qa',), ('k3v9x2qa',), ())
    """
    if value is None:
        return None
    if isinstance(value, Mapping):
        value = [value]
    if isinstance(value, str):
        value = _rendered(value)
    ids: dict[str, None] = {}
    for one in _flat(value):
        session_id = one.get("session_id") if isinstance(one, Mapping) else one
        if not isinstance(session_id, str):
            raise SpecError(
                f"The session id {session_id!r} is refused: an id is one word, such as 'k3v9x2qa'. "
                "Give ids, or what an operator of this provider has returned."
            )
        ids[session_id] = None
    return tuple(ids)


def words(value: str | Iterable[str] | None) -> tuple[str, ...]:
    """Read one word or several; none for None.

    >>> words("notebook"), words(["Completed", "Failed"]), words(None)
    (('notebook',), ('Completed', 'Failed'), ())
    """
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def _flat(value: Any) -> list[Any]:
    """Take lists out of lists: each of several mapped tasks has returned one."""
    flat: list[Any] = []
    for one in value if isinstance(value, Iterable) else [value]:
        flat += _flat(one) if isinstance(one, list | tuple) else [one]
    return flat


def _rendered(text: str) -> list[Any]:
    """Read what a template has rendered: a list as Python writes it, or words."""
    if text.lstrip().startswith(("[", "(", "{")):
        try:
            value = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError):
            raise SpecError(f"The ids {text!r} are refused: they are no list of ids. Correct them.") from None
        return [value] if isinstance(value, Mapping) else list(value)
    return [word for word in re.split(r"[\s,]+", text) if word]


def _age(session: Session, now: float) -> float:
    """Return seconds since the start; below any age for a session that has not started."""
    return -1.0 if session.start_time is None else now - session.start_time.timestamp()
