"""Which sessions end, each of them once: what an asset's watcher fires for. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_canfar.skaha.polling.session_tracker import SessionTracker, has_ended, normalized_status

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.models import Session
    from airflow_provider_canfar.skaha.selection import Selection

#: Seconds for which lists must have omitted an ended session before it is forgotten here too. A list in the
#: middle of an outage may be short, and what is forgotten too early would end a second time.
FORGET_AFTER = 3600.0


class EndEvents:
    """The ends of the sessions that a selection chooses.

    An interactive session mostly ends by being destroyed by its owner; so to be gone is an end as well.

    :param words: which ends count: ``Completed``, ``Failed``, ``Gone``.
    :param when_all_ended: one end for all: told when, after some have ended, none is alive any more.
    :param state: what was known before, from :meth:`to_json`. Without it, what had ended before the first
        look is taken for known.
    """

    def __init__(
        self,
        selection: Selection,
        words: Iterable[str],
        *,
        when_all_ended: bool = False,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        state = state or {}
        self._words = frozenset(words)
        self._when_all_ended = when_all_ended
        self.tracker = SessionTracker(selection, state.get("rows", ()))
        self._known: set[str] | None = set(state["known"]) if "known" in state else None
        self._last_listed: dict[str, float] = {}

    def observe(self, sessions: Iterable[Session], at: float) -> None:
        """Take in a whole list."""
        listed = list(sessions)
        self.tracker.observe(listed, at)
        if self._known is None:
            self._known = {one for one, row in self.tracker.rows.items() if has_ended(row)}
        self._last_listed |= {session.id: at for session in listed if session.id in self.tracker.rows}
        # The platform forgets what has ended, and so do we.
        for session_id in list(self._known):
            if at - self._last_listed.setdefault(session_id, at) >= FORGET_AFTER:
                self._known.remove(session_id)
                del self._last_listed[session_id]
                self.tracker.rows.pop(session_id, None)

    def take(self) -> list[dict[str, Any]]:
        """Return the ends that are news, and take them for known."""
        rows, known = self.tracker.rows, self._known or set()
        news = [row for session_id, row in rows.items() if has_ended(row) and session_id not in known]
        if self._when_all_ended and not all(map(has_ended, rows.values())):
            return []
        self._known = known | {row["session_id"] for row in news}
        return [dict(row) for row in news if normalized_status(row) in self._words]

    def to_json(self) -> dict[str, Any]:
        """Write down what is known, for after a restart."""
        return {"rows": list(self.tracker.rows.values()), "known": sorted(self._known or ())}
