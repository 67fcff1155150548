"""Errors of a DAG file that name the task."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_canfar.hooks._short_traceback import ShortTraceback

if TYPE_CHECKING:
    from types import TracebackType


def in_task(task_id: Any) -> AbstractContextManager[None]:
    """Let an error name its task, and leave the calls of this provider out of a refusal's traceback.

    Of an import error, Airflow's page shows the last two calls. So they are the line of the DAG file and
    Airflow's own, if the ``with`` is in the ``__init__`` or the function that the author calls.

    :param task_id: as the author has given it.
    """
    return _InTask(task_id)


class _InTask(ShortTraceback):
    def __init__(self, task_id: Any) -> None:
        self._task_id = task_id

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        if isinstance(error, Exception):
            note = f"In the task {self._task_id!r}."
            if note not in getattr(error, "__notes__", ()):
                error.add_note(note)
        return super().__exit__(kind, error, trace)
