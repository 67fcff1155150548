"""Which sessions have ended, each reported once: what an asset's watcher fires for. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_canfar.skaha.polling.session_tracker import SessionTracker, has_ended, normalized_status

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.models import Session
    from airflow_provider_canfar.skaha.selection import Selection

#: Seconds for which lists must have omitted an ended session before it is forgotten here too. During an
#: outage a list may be incomplete, and a session forgotten too early would be reported twice.
FORGET_AFTER = 3600.0


class EndEvents:
    """The ends of the sessions that a selection chooses, each reported once.

    An interactive session usually ends when its owner destroys it, so *Gone* is an end as well.

    :param statuses: which ends to report: ``Completed``, ``Failed``, ``Gone``.
    :param when_all_ended: report ends only while none of the sessions is alive.
    :param state: from :meth:`to_json` of an earlier one. Without it, sessions that have ended at the first
        :meth:`observe` are not reported.
    """

    def __init__(
        self,
        selection: Selection,
        statuses: Iterable[str],
        *,
        when_all_ended: bool = False,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        state = state or {}
        self._statuses = frozenset(statuses)
        self._kinds = selection.kinds
        self._when_all_ended = when_all_ended
        self.tracker = SessionTracker.of_selection(selection, state.get("rows", ()))
        #: The ids not to report again; None before the first list.
        self._reported: set[str] | None = set(state["reported"]) if "reported" in state else None
        self._last_listed: dict[str, float] = {}

    def observe(self, sessions: Iterable[Session], at: float) -> None:
        """Record a complete list.

        :param at: when it was fetched, in seconds since the epoch.
        """
        listed = list(sessions)
        self.tracker.observe(listed)
        if self._reported is None:
            self._reported = {session_id for session_id, row in self.tracker.rows.items() if has_ended(row)}
        self._last_listed |= {session.id: at for session in listed if session.id in self.tracker.rows}
        for session_id in list(self._reported):
            if at - self._last_listed.setdefault(session_id, at) >= FORGET_AFTER:
                self._reported.remove(session_id)
                del self._last_listed[session_id]
                self.tracker.forget(session_id)

    def update(self, sessions: Iterable[Session], not_found: Iterable[str]) -> None:
        """Record the answers to requests for single sessions.

        :param not_found: ids that the platform answers 404 for.
        """
        self.tracker.update(sessions)
        self.tracker.mark_gone(not_found)

    def pop_new(self) -> list[dict[str, Any]]:
        """Return the sessions whose ends have not been reported yet, and count them as reported."""
        rows, reported = self.tracker.rows, self._reported or set()
        if self._when_all_ended and not all(map(has_ended, rows.values())):
            return []
        new = [row for session_id, row in rows.items() if has_ended(row) and session_id not in reported]
        self._reported = reported | {row["session_id"] for row in new}
        return [dict(row) for row in new if self._is_to_report(row)]

    def _is_to_report(self, row: Mapping[str, Any]) -> bool:
        """Whether an end counts: that of a session with a chosen id but of another kind does not."""
        is_of_kind = not self._kinds or row.get("kind", self._kinds[0]) in self._kinds
        return is_of_kind and normalized_status(row) in self._statuses

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON, to continue from after a restart."""
        return {"rows": list(self.tracker.rows.values()), "reported": sorted(self._reported or ())}
