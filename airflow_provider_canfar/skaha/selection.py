"""Choosing sessions from an account's list: by ids, or by name, with kind, status and age. Pure.

Cleanup destroys the sessions of a selection, a sensor waits for them, an asset's watcher fires for them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_canfar.skaha import validation
from airflow_provider_canfar.skaha.errors import SpecError
from airflow_provider_canfar.skaha.name_pattern import name_regex
from airflow_provider_canfar.skaha.naming import SessionName
from airflow_provider_canfar.skaha.statuses import Kind, Status
from airflow_provider_canfar.skaha.unrelated_names import example_of_any

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.models import Session
    from airflow_provider_canfar.skaha.polling.session_cache import Row

#: What the server accepts in a name (PostAction.validateName). A prefix with anything else in it matches
#: none.
_PREFIX = re.compile(r"[A-Za-z0-9-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which sessions. Every criterion must hold; an omitted one holds for any session.

    >>> Selection(prefix="stars-", kinds=("headless",)).to_json()["kinds"]
    ['headless']

    :param ids: these ids; ``()`` selects none.
    :param prefix: the start of their names. The server keeps names in lower case; case does not matter.
    :param regex: a regular expression of RE2 to search for in their names. ``^`` and ``$`` anchor it.
    :param keys: the keys in the names of sessions that Airflow tasks have launched; ``()`` selects none.
    :param kinds: of these kinds.
    :param statuses: in these statuses; old and new words for one status are the same.
    :param older_than: seconds since their start. A session that has not started has no age, and is excluded.
    :param started_after: seconds since the epoch; only with names. A session that has not started will start
        after it, and is included.
    :raises SpecError: with the value, the rule and a way out.
    """

    ids: tuple[str, ...] | None = None
    prefix: str | None = None
    regex: str | None = None
    keys: tuple[str, ...] | None = None
    kinds: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    older_than: float | None = None
    started_after: float | None = None

    def __post_init__(self) -> None:
        given = [name for name in ("ids", "prefix", "regex", "keys") if getattr(self, name) is not None]
        if len(given) > 1:
            raise SpecError(f"Invalid selection by {' and '.join(given)}: must use only one of them.")
        for session_id in self.ids or ():
            validation.session_id(session_id)
        if self.prefix is not None and not _PREFIX.fullmatch(self.prefix):
            raise SpecError(
                f"Invalid prefix {self.prefix!r}: must have only letters, digits and '-', as names do. "
                "Give a regular expression as regex."
            )
        if self.regex is not None:
            name_regex(self.regex)
        for kind in self.kinds:
            Kind.parse(kind)
        for status in self.statuses:
            Status.parse(status)
        if self.older_than is not None and self.older_than < 0:
            raise SpecError(f"Invalid age {self.older_than:g} s: must be 0 or more.")
        if self.started_after is not None and self.ids is not None:
            raise SpecError("Invalid started_after with ids: an id is of one session. Leave one of them out.")

    @property
    def by_name(self) -> bool:
        """Whether it goes by names, so that it may include sessions that do not exist yet."""
        return self.ids is None

    def reason_to_refuse(self) -> str | None:
        """Say why it includes sessions that have nothing in common; None if it does not."""
        if self.ids is not None or self.keys is not None:
            return None
        if self.regex is not None:
            example = example_of_any(name_regex(self.regex))
            return example and f"the regex {self.regex!r} matches every name that looks like {example!r}"
        if self.prefix is None:
            return "none of ids, prefix and regex is given"
        return None if self.prefix else "every name starts with an empty prefix"

    def matches(self, session: Session | Row) -> bool:
        """Whether a session's id, name, kind and start match, whatever its status and age."""
        return (
            self._matches_name(session)
            and (not self.kinds or session.kind in self.kinds)
            and (self.started_after is None or _starts_after(session, self.started_after))
        )

    def choose(self, sessions: Iterable[Session], now: float) -> list[Session]:
        """Return the sessions that match, in the list's order.

        :param now: seconds since the epoch.
        """
        statuses = {Status.parse(word) for word in self.statuses}
        return [
            session
            for session in sessions
            if self.matches(session)
            and (not statuses or session.status in statuses)
            and (self.older_than is None or _age(session, now) >= self.older_than)
        ]

    def _matches_name(self, session: Session | Row) -> bool:
        if self.ids is not None:
            return session.id in self.ids
        if self.keys is not None:
            name = SessionName.parse(session.name)
            return name is not None and name.task_key in self.keys
        if self.regex is not None:
            return name_regex(self.regex)(session.name)
        return session.name.lower().startswith((self.prefix or "").lower())

    def __str__(self) -> str:
        """Describe the selection, for people."""
        if self.ids is not None:
            text = f"the sessions {', '.join(self.ids) or '(none)'}"
        elif self.keys is not None:
            text = f"the sessions of {len(self.keys)} task instances"
        elif self.regex is not None:
            text = f"the sessions whose names match {self.regex!r}"
        else:
            text = f"the sessions whose names start with {self.prefix!r}" if self.prefix else "all sessions"
        if self.kinds:
            text += f" of kind {' or '.join(self.kinds)}"
        if self.statuses:
            text += f" that are {' or '.join(self.statuses)}"
        if self.started_after is not None:
            since = datetime.fromtimestamp(self.started_after, UTC)
            text += f" that started after {since:%Y-%m-%d %H:%M:%S} UTC"
        return text if self.older_than is None else f"{text} and older than {self.older_than:g} s"

    def to_json(self) -> dict[str, Any]:
        """Return it as a trigger's argument."""
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the selection of a trigger's argument; fields that only another release knows are ignored.

        :raises SpecError: as the class does.
        """
        known = {one.name for one in fields(cls)}
        arguments: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in data.items()
            if name in known
        }
        return cls(**arguments)


def session_ids(value: Any) -> tuple[str, ...] | None:
    """Parse ids as people and upstream tasks give them; None for None.

    One id or several; a string of them separated by commas or spaces; a list as a template renders it; the
    result of an operator of this provider, which has them as ``session_id``.

    >>> session_ids("k3v9x2qa, m0d4tt7z")
    ('k3v9x2qa', 'm0d4tt7z')
    >>> session_ids("['k3v9x2qa']"), session_ids([{"replica": 1, "session_id": "k3v9x2qa"}]), session_ids([])
    (('k3v9x2qa',), ('k3v9x2qa',), ())
    """
    if value is None:
        return None
    if isinstance(value, Mapping) or hasattr(value, "id"):
        value = [value]
    if isinstance(value, str):
        value = _parse_rendered(value)
    ids: dict[str, None] = {}
    for one in _flatten(value):
        # A Session stands for its id; importing its class here would slow down the parsing of DAG files.
        session_id = one.get("session_id") if isinstance(one, Mapping) else getattr(one, "id", one)
        if not isinstance(session_id, str):
            raise SpecError(
                f"Invalid session id {session_id!r}: must be one word, such as 'k3v9x2qa'. "
                "Give ids, or the result of an operator of this provider."
            )
        ids[session_id] = None
    return tuple(ids)


def words(value: str | Iterable[str] | None) -> tuple[str, ...]:
    """Return one word or several as a tuple; an empty one for None.

    >>> words("notebook"), words(["Completed", "Failed"]), words(None)
    (('notebook',), ('Completed', 'Failed'), ())
    """
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def _flatten(value: Any) -> list[Any]:
    """Flatten nested lists: each of several mapped tasks returns one."""
    flat: list[Any] = []
    for one in value if isinstance(value, Iterable) else [value]:
        flat += _flatten(one) if isinstance(one, list | tuple) else [one]
    return flat


def _parse_rendered(text: str) -> list[Any]:
    """Parse what a template has rendered: a list as Python writes it, or words."""
    if text.lstrip().startswith(("[", "(", "{")):
        try:
            value = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError):
            raise SpecError(f"Invalid ids {text!r}: must be ids or a list of ids.") from None
        return [value] if isinstance(value, Mapping) else list(value)
    return [word for word in re.split(r"[\s,]+", text) if word]


def _starts_after(session: Session | Row, when: float) -> bool:
    # It loads pydantic, which parsing a DAG file, where selections are checked, must not.
    from airflow_provider_canfar.skaha.fields import time_of

    started = time_of(session.start_time)
    return started is None or started.timestamp() >= when


def _age(session: Session, now: float) -> float:
    """Return seconds since the start; below any age for a session that has not started."""
    return -1.0 if session.start_time is None else now - session.start_time.timestamp()
