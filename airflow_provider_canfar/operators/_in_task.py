"""Errors of a DAG file that name the task."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def in_task(task_id: Any) -> Iterator[None]:
    """Let an error name its task: an import error shows only the last calls, which are ours.

    :param task_id: as the author has given it.
    """
    try:
        yield
    except Exception as error:
        error.add_note(f"In the task {task_id!r}.")
        raise
