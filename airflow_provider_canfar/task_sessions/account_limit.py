"""How many sessions the account may have when a task launches its own, whatever launched the others. Pure.

Several tasks, DAGs and people share an account. The platform itself does not bound its headless sessions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_canfar.skaha.naming import SessionName
from airflow_provider_canfar.skaha.statuses import Kind, Status

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.models import Session
    from airflow_provider_canfar.skaha.polling.session_cache import Row


@dataclass(frozen=True, slots=True)
class AccountLimit:
    """How many live headless sessions the account may have.

    >>> AccountLimit(max_sessions=10).room([], "k3v5x2qamd")
    10

    :param max_sessions: of all that have not ended; None for no limit.
    :param max_pending: of those that are Pending; None for no limit.
    :param prefix: what the names of those that count start with. The task's own always count.
    """

    max_sessions: int | None = None
    max_pending: int | None = None
    prefix: str = ""

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Self | None:
        """Take the limit from an operator's parsed arguments; None where it has none."""
        limits = arguments["max_account_sessions"], arguments["max_pending_account_sessions"]
        has_limit = any(one is not None for one in limits)
        return cls(*limits, arguments["account_sessions_prefix"] or "") if has_limit else None

    def counts(self, session: Session | Row, key: str) -> bool:
        """Whether a session counts.

        :param key: the key in the names of the task's own sessions.
        """
        if session.kind != Kind.HEADLESS or Status.of(session.status).is_final:
            return False
        if session.name.lower().startswith(self.prefix.lower()):
            return True
        name = SessionName.parse(session.name)
        return name is not None and name.key == key

    def room(self, sessions: Iterable[Session], key: str, *, unlisted: int = 0) -> int:
        """Return how many more may be launched; 0 or less for none.

        :param sessions: all of the account's that are listed.
        :param key: the key in the names of the task's own sessions.
        :param unlisted: how many of the task's own no list shows yet.
        """
        live = [Status.of(one.status) for one in sessions if self.counts(one, key)]
        # A status that we do not know may be Pending.
        pending = sum(status in {Status.PENDING, Status.UNKNOWN} for status in live)
        rooms = [
            limit - count - unlisted
            for limit, count in ((self.max_sessions, len(live)), (self.max_pending, pending))
            if limit is not None
        ]
        return min(rooms)

    def __str__(self) -> str:
        """Say briefly what the limits are, in the operator's words."""
        limits = (
            ("max_account_sessions", self.max_sessions),
            ("max_pending_account_sessions", self.max_pending),
        )
        return " and ".join(f"{name}={limit}" for name, limit in limits if limit is not None)

    def to_json(self) -> dict[str, Any]:
        """Return it as a part of a trigger's argument."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read it back; what only another release knows is ignored."""
        return cls(**{name: data[name] for name in cls.__slots__ if name in data})
