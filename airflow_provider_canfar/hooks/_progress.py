"""Writing the XCom ``progress`` beside a wait: it delays nothing, and fails nothing."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Any
from weakref import WeakKeyDictionary

log = logging.getLogger(__name__)

#: Seconds of writing after which the channel to Airflow is left to others for as long.
PAUSE_AFTER = 0.1


class ProgressWriter:
    """Writes in the background, in the queue's turn, what is the latest by then.

    :param write: writes one value to Airflow, which may take long and may fail.
    :param queue: where it waits for its turn; by default, that of the running event loop.
    """

    def __init__(
        self, write: Callable[[dict[str, Any]], Awaitable[None]], queue: WriteQueue | None = None
    ) -> None:
        self._write = write
        self._queue = queue
        self._latest: Callable[[float], dict[str, Any] | None] | None = None

    def __call__(self, at: float, latest: Callable[[float], dict[str, Any] | None]) -> None:
        """Write soon, and not before a time.

        :param at: seconds since the epoch.
        :param latest: returns what to write, by the time when it is written; None for nothing.
        """
        self._latest = latest
        if self._queue is None:
            self._queue = _queues.setdefault(asyncio.get_running_loop(), WriteQueue())
        self._queue.add(self, at)

    def close(self) -> None:
        """Write nothing more, except what is under way: the worker writes next."""
        self._latest = None

    async def write_latest(self, now: float) -> None:
        """Write the latest value, unless there is none any more."""
        latest, self._latest = self._latest, None
        if latest is None:
            return
        try:
            value = latest(now)
            if value is not None:
                await self._write(value)
        except Exception:  # Whatever it is: progress is never a reason for a task to fail.
            log.debug("Could not write the XCom progress.", exc_info=True)


class WriteQueue:
    """Writes one after the other: a triggerer has one channel to Airflow, which its events need, too.

    A write is never cancelled: halfway, that would break the channel. Those that wait for the same time share
    a timer.

    :param clock: seconds, for how long writes take.
    :param now: seconds since the epoch.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._now = now
        self._sleep = sleep
        self._waiting: dict[ProgressWriter, None] = {}
        self._later: dict[float, dict[ProgressWriter, None]] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, writer: ProgressWriter, at: float) -> None:
        """Let a writer have its turn, not before a time in seconds since the epoch."""
        wait = at - self._now()
        if wait <= 0:
            self._release({writer: None})
            return
        if at not in self._later:
            loop = asyncio.get_running_loop()
            loop.call_later(wait, lambda: self._release(self._later.pop(at)), context=Context())
        self._later.setdefault(at, {})[writer] = None

    def _release(self, writers: dict[ProgressWriter, None]) -> None:
        self._waiting |= writers
        if self._task is None or self._task.done():
            # In a context of its own: it belongs to no task.
            self._task = asyncio.create_task(self._run(), context=Context())

    async def _run(self) -> None:
        spent = 0.0
        while self._waiting:
            writer = next(iter(self._waiting))
            del self._waiting[writer]
            began = self._clock()
            await writer.write_latest(self._now())
            spent += self._clock() - began
            if spent >= PAUSE_AFTER:
                await self._sleep(spent)
                spent = 0.0


_queues: WeakKeyDictionary[asyncio.AbstractEventLoop, WriteQueue] = WeakKeyDictionary()
