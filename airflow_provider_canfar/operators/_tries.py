"""How a try of a task begins: with what earlier tries have saved."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from airflow_provider_canfar.hooks._log import LogLinesMixin
from airflow_provider_canfar.operators._argument_checks import CheckedArguments
from airflow_provider_canfar.operators._work import Work, identity_of

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_canfar.operators._task_record import TaskRecord
    from airflow_provider_canfar.skaha.naming import Identity
    from airflow_provider_canfar.task_sessions.batch import Batch
    from airflow_provider_canfar.task_sessions.saved_state import SavedState


# CheckedArguments first: Airflow takes a class after a plain mixin for one with an __init__ of its own.
class TriesMixin(CheckedArguments, LogLinesMixin):
    """The part of an operator that knows of its earlier tries."""

    _is_killed = False

    @abstractmethod
    def _new_batch(self, identity: Identity, try_number: int) -> Batch:
        """Return the replicas of a try of which nothing is known yet."""

    def _with_saved_state(self, batch: Batch, saved: SavedState) -> Batch:
        """Return a new try's batch with what earlier tries have saved."""
        return batch

    def _record(self, context: Context, work: Work) -> TaskRecord:
        """Return what the task keeps in Airflow."""
        from airflow_provider_canfar.operators._task_record import TaskRecord

        return TaskRecord(context, work, self._emit, lambda: self._is_killed)

    def _first_batch(self, context: Context, work: Work, record: TaskRecord) -> Batch:
        """Return the replicas of this try, with what earlier tries have saved."""
        batch = self._batch(context, work, record.saved())
        # Before anything is launched: whatever becomes of this try, the next one finds what it has launched.
        record.begin(batch)
        return batch

    def _last_batch(self, context: Context, work: Work) -> Batch:
        """Return the replicas of a try that has failed before it began, for their sessions to be destroyed.

        Airflow may still be silent. Then the names of the sessions say what is theirs, except where a task of
        a finished run was cleared.
        """
        saved = None
        self._is_killed = True  # There is no time left to wait.
        with suppress(Exception):
            saved = self._record(context, work).saved()
        return self._batch(context, work, saved)

    def _batch(self, context: Context, work: Work, saved: SavedState | None) -> Batch:
        ti: Any = context["ti"]
        identity = identity_of(self, self._parsed()["name"], context, work, saved)
        # The scheduler counts tries from 1; `airflow tasks test` leaves the number at 0.
        batch = self._new_batch(identity, ti.try_number or 0)
        return batch if saved is None else self._with_saved_state(batch, saved)
