"""One question that many ask again and again, put to the platform once for all of them."""

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
    """What was answered last, on one event loop; an error is an answer like any other.

    :param ask: puts the question. It runs in nobody's context, so that no log line of it lands in the task
        log of whoever happened to ask.
    :param clock: seconds that never go back.
    """

    def __init__(self, ask: Callable[[], Coroutine[None, None, T]], *, clock: Clock = time.monotonic) -> None:
        self._ask = ask
        self._clock = clock
        self._asked_at = 0.0
        self._answer: asyncio.Task[T] | None = None

    async def __call__(self, within: float) -> T:
        """Return an answer to a question that was put in the last so many seconds, or put it now."""
        now = self._clock()
        if self._answer is None or (self._answer.done() and now - self._asked_at >= within):
            self._asked_at = now
            self._answer = asyncio.create_task(self._ask(), name="canfar-question", context=Context())
        # That one who waits gives up must not cost the others their answer.
        return await asyncio.shield(self._answer)
