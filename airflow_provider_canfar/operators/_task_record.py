"""What a task writes into Airflow's database: its journal, its XComs, and what its try runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_canfar.operators._carried_spec import open_spec, seal_spec
from airflow_provider_canfar.task_sessions.journal import ENTRY, Journal

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import Context

    from airflow_provider_canfar.hooks.canfar import CanfarHook
    from airflow_provider_canfar.operators._work import Work
    from airflow_provider_canfar.skaha.spec import SessionSpec
    from airflow_provider_canfar.task_sessions.batch import Batch
    from airflow_provider_canfar.task_sessions.journal import Store


class Publish(Protocol):
    """Writes down what is known of a task's sessions."""

    def __call__(self, *, whole: bool) -> None:
        """Write it down.

        :param whole: with all XComs, though some may have hardly changed.
        """


class XComStore:
    """A task's own XComs as a store. Airflow clears them when a try begins, and not when one goes on.

    :param ti: the task instance, as its context has it.
    """

    def __init__(self, ti: Any) -> None:
        self._ti = ti

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of an XCom."""
        map_index = -1 if self._ti.map_index is None else self._ti.map_index
        value = self._ti.xcom_pull(task_ids=self._ti.task_id, key=key, map_indexes=map_index)
        return default if value is None else value

    def set(self, key: str, value: Any) -> None:
        """Push an XCom."""
        self._ti.xcom_push(key, value)


class TaskRecord:
    """What a task instance has in Airflow's database.

    :param emit: writes one line to the task's log.
    """

    def __init__(self, context: Context, work: Work, *, emit: Callable[[str], None]) -> None:
        self._ti = context["ti"]
        self._work = work
        self._emit = emit
        self._store: Store | None = context.get("task_state_store")
        #: Whether this work may go on in another process: only the task itself does.
        self.can_resume = work.name is None
        if self._store is None and self.can_resume:
            self._store = XComStore(self._ti)
        self.journal = Journal(self._store, work.key(ENTRY), emit)

    def publish(self, batch: Batch, xcoms: Mapping[str, Any]) -> None:
        """Write what is known of a task's sessions; written again, it is the same."""
        for key, value in xcoms.items():
            self._ti.xcom_push(self._work.key(key), value)
        self.journal.record(batch)

    def read_spec(self, hook: CanfarHook, carried: str | None) -> SessionSpec | None:
        """Return what an earlier phase of this try has rendered; None where it has written nothing down.

        :param carried: what version 0.1 has carried over the deferral.
        """
        kept = self._store.get(self._spec_key) if self._store is not None else None
        if isinstance(kept, Mapping) and kept.get("try_number") == self._ti.try_number:
            carried = kept["sealed"]
        return open_spec(hook, carried, self._emit)

    def write_spec(self, hook: CanfarHook, spec: SessionSpec) -> None:
        """Write down what this try runs, once: it may be large."""
        sealed = seal_spec(hook, spec)
        if sealed is not None and self._store is not None:
            self._store.set(self._spec_key, {"try_number": self._ti.try_number, "sealed": sealed})

    @property
    def _spec_key(self) -> str:
        return f"{self._work.key(ENTRY)}_spec"
