"""Errors of a DAG file that name the task."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from types import TracebackType


def in_task(task_id: Any) -> AbstractContextManager[None]:
    """Let an error name its task, and leave the calls of this provider out of a refusal's traceback.

    Of an import error, Airflow's page shows the last two calls. So they are the line of the DAG file and
    Airflow's own, if the ``with`` is in the ``__init__`` or the function that the author calls.

    :param task_id: as the author has given it.
    """
    return _InTask(task_id)


class _InTask:
    """A class: :mod:`contextlib` restores the traceback."""

    def __init__(self, task_id: Any) -> None:
        self._task_id = task_id

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> Literal[False]:
        if isinstance(error, Exception):
            from airflow_provider_canfar.skaha.errors import SpecError

            note = f"In the task {self._task_id!r}."
            if note not in getattr(error, "__notes__", ()):
                error.add_note(note)
            if isinstance(error, SpecError) or getattr(error, "is_explained", False):
                # The with statement raises it again with the traceback that it has now.
                error.__traceback__ = None
        return False
