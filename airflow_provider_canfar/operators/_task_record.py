"""What a task keeps in Airflow: its XComs, and what its later tries must know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_canfar.operators._airflow_api import wait_out_silence
from airflow_provider_canfar.task_sessions.saved_state import ENTRY, SavedState

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_canfar.operators._work import Work
    from airflow_provider_canfar.task_sessions.batch import Batch

T = TypeVar("T")


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
        self._store: Any = context.get("task_state_store")
        self._work = work
        self._emit = emit
        self._is_stopped = is_stopped

    def load(self) -> SavedState | None:
        """Return what earlier tries have saved, if anything."""
        return self._wait_out(partial(SavedState.load, self._store, self._work.key(ENTRY)))

    def save(self, batch: Batch) -> None:
        """Save what later tries must know."""
        state = SavedState.from_batch(batch)
        self._wait_out(partial(state.save, self._store, self._work.key(ENTRY)))

    def publish(self, xcoms: Mapping[str, Any], batch: Batch) -> None:
        """Push XComs, and save what later tries must know."""
        self._wait_out(partial(self.push, xcoms))
        self.save(batch)

    def push(self, xcoms: Mapping[str, Any]) -> None:
        """Push XComs, and wait out nothing."""
        for key, value in xcoms.items():
            self._ti.xcom_push(self._work.key(key), value)

    def _wait_out(self, call: Callable[[], T]) -> T:
        return wait_out_silence(call, emit=self._emit, is_stopped=self._is_stopped)
