"""What a task keeps in Airflow: its XComs, its journal, and what its try runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from airflow_provider_canfar.operators._airflow_api import wait_out_silence
from airflow_provider_canfar.operators._carried_spec import open_spec, seal_spec
from airflow_provider_canfar.task_sessions.journal import ENTRY, Journal

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_canfar.hooks.canfar import CanfarHook
    from airflow_provider_canfar.operators._work import Work
    from airflow_provider_canfar.skaha.spec import SessionSpec
    from airflow_provider_canfar.task_sessions.batch import Batch
    from airflow_provider_canfar.task_sessions.journal import Store
    from airflow_provider_canfar.task_sessions.saved_state import SavedState

T = TypeVar("T")


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
    """Reads and writes what a task keeps, and waits out short silences of Airflow's API server.

    :param work: which work of the task instance.
    :param emit: writes one line to the task's log.
    :param is_stopped: whether the task is being killed, and has no time to wait.
    """

    def __init__(
        self, context: Context, work: Work, emit: Callable[[str], None], is_stopped: Callable[[], bool]
    ) -> None:
        self._ti = context["ti"]
        self._store: Store | None = context.get("task_state_store")
        # Only the task itself goes on in another process.
        if self._store is None and work.name is None:
            self._store = XComStore(self._ti)
        self._work = work
        self._emit = emit
        self._is_stopped = is_stopped
        self._journal: Journal | None = None

    @property
    def journal(self) -> Journal:
        """What is known of the task's replicas, as it was written down when this was first looked at."""
        if self._journal is None:
            self._journal = self._wait_out(partial(Journal, self._store, self._work.key(ENTRY), self._emit))
        return self._journal

    def saved(self) -> SavedState | None:
        """Return what earlier tries have saved, if anything."""
        return self.journal.saved

    def complete(self, batch: Batch) -> Batch:
        """Return all that is known of a try, where a phase needs to know less."""
        return self._wait_out(partial(self.journal.complete, batch))

    def begin(self, batch: Batch) -> None:
        """Write down that a try begins."""
        self._wait_out(partial(self.journal.begin, batch))

    def publish(self, xcoms: Mapping[str, Any], batch: Batch) -> None:
        """Push XComs, and write down what has become known of the replicas."""
        self._wait_out(partial(self.push, xcoms))
        self._wait_out(partial(self.journal.record, batch))

    def read_spec(self, hook: CanfarHook) -> SessionSpec | None:
        """Return what an earlier phase of this try has rendered; None where it has written nothing down."""
        kept = self._wait_out(partial(self._store.get, self._spec_key)) if self._store is not None else None
        if not isinstance(kept, Mapping) or kept.get("try_number") != self._ti.try_number:
            return None
        return open_spec(hook, kept["sealed"], self._emit)

    def write_spec(self, hook: CanfarHook, spec: SessionSpec) -> None:
        """Write down what this try runs, once: it may be large."""
        sealed = seal_spec(hook, spec)
        if sealed is not None and self._store is not None:
            value = {"try_number": self._ti.try_number, "sealed": sealed}
            self._wait_out(partial(self._store.set, self._spec_key, value))

    @property
    def _spec_key(self) -> str:
        return f"{self._work.key(ENTRY)}_spec"

    def push(self, xcoms: Mapping[str, Any]) -> None:
        """Push XComs, and wait out nothing."""
        for key, value in xcoms.items():
            self._ti.xcom_push(self._work.key(key), value)

    def _wait_out(self, call: Callable[[], T]) -> T:
        return wait_out_silence(call, emit=self._emit, is_stopped=self._is_stopped)
