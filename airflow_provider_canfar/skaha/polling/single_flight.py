"""One call that many make again and again, made once for all of them."""

from __future__ import annotations

import asyncio
import time
from contextvars import Context
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from airflow_provider_canfar.skaha.http.retrying import Clock

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """The last result of a call, on one event loop.

    :param call: the call. It runs in an empty context, so that none of its log lines lands in the task log of
        the first caller.
    :param keep_errors: whether an error is a result like any other; False to call again after one.
    :param clock: monotonic seconds.
    """

    def __init__(
        self,
        call: Callable[[], Coroutine[None, None, T]],
        *,
        keep_errors: bool = True,
        clock: Clock = time.monotonic,
    ) -> None:
        self._call = call
        self._keep_errors = keep_errors
        self._clock = clock
        self._started_at = 0.0
        self._task: asyncio.Task[T] | None = None

    async def __call__(self, max_age: float) -> T:
        """Return the result of a call that started at most ``max_age`` seconds ago, or is still running."""
        task, now = self._task, self._clock()
        if task is None or (task.done() and (now - self._started_at >= max_age or self._is_discarded(task))):
            self._started_at = now
            self._task = task = asyncio.create_task(
                self._call(), name="canfar-single-flight", context=Context()
            )
            task.add_done_callback(_retrieve_exception)
        # A caller that is cancelled must not cost the others their result.
        return await asyncio.shield(task)

    def _is_discarded(self, task: asyncio.Task[T]) -> bool:
        return task.cancelled() or (task.exception() is not None and not self._keep_errors)


def _retrieve_exception(task: asyncio.Task[T]) -> None:
    """Retrieve an error, or asyncio would log it as never retrieved if every caller was cancelled."""
    if not task.cancelled():
        task.exception()
