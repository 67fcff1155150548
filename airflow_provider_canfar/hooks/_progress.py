"""Writing the XCom ``progress`` beside a wait: it delays nothing, and fails nothing."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any
from weakref import WeakKeyDictionary

log = logging.getLogger(__name__)

#: The writes of each event loop, one after the other: a triggerer has one channel to Airflow, which its
#: events need, too.
_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()

#: Writes under way. One that is cancelled halfway would break that channel.
_writes: set[asyncio.Task[None]] = set()


class ProgressWriter:
    """Writes the latest value in the background; what has not been written when the next one comes never is.

    :param write: writes one value to Airflow, which may take long and may fail.
    :param clock: seconds, for how long a write takes.
    """

    def __init__(
        self,
        write: Callable[[dict[str, Any]], Awaitable[None]],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._write = write
        self._clock = clock
        self._sleep = sleep
        self._latest: dict[str, Any] | None = None
        self._writing: asyncio.Task[None] | None = None

    def __call__(self, value: dict[str, Any]) -> None:
        """Write a value soon."""
        self._latest = value
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_latest())
            _writes.add(self._writing)
            self._writing.add_done_callback(_writes.discard)

    def close(self) -> None:
        """Write nothing more, except what is under way: the worker writes next."""
        self._latest = None

    async def _write_latest(self) -> None:
        async with _turns.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
            while self._latest is not None:
                value, self._latest = self._latest, None
                began = self._clock()
                try:
                    await self._write(value)
                except Exception:
                    log.debug("Could not write the XCom progress.", exc_info=True)
                # Half of the time is left to others: a thousand tasks may change at once.
                await self._sleep(self._clock() - began)
