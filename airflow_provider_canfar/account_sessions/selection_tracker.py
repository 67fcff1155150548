"""What lists have shown of the sessions that a selection chooses. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_canfar.skaha.polling.session_tracker import SessionTracker, StatusChange, has_ended

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.models import Session
    from airflow_provider_canfar.skaha.selection import Selection


class SelectionTracker(SessionTracker):
    """The sessions that a selection chooses, by id.

    :param rows: from an earlier tracker.
    """

    def __init__(self, selection: Selection, rows: Iterable[Mapping[str, Any]] = ()) -> None:
        self.selection = selection
        super().__init__(selection.ids or (), rows, selection.matches if selection.by_name else None)

    def subscribe_arguments(self) -> dict[str, Any]:
        """Return what to call a :class:`~.skaha.polling.subscriptions.Subscribe` with."""
        return {
            "ids": [session_id for session_id, row in self.rows.items() if not has_ended(row)],
            "choose": self.selection.matches if self.selection.by_name else None,
        }

    def update(self, sessions: Iterable[Session]) -> list[StatusChange]:
        """Record sessions, except one with a chosen id but of another kind, and return what has changed."""
        return super().update(session for session in sessions if self.selection.matches(session))

    def record_fetched(self, sessions: Iterable[Session], not_found: Iterable[str]) -> None:
        """Record the answers to requests for single sessions.

        :param not_found: ids that the platform answers 404 for.
        """
        self.update(sessions)
        self.mark_gone(not_found)
