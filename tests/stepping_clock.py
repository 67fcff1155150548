"""A clock that stands still until a test lets time pass, for several who wait at once."""

from __future__ import annotations

import asyncio
import heapq
import itertools

from tests.fake_platform import Clock


async def rest(turns: int = 60) -> None:
    """Let everybody do what there is to do before time passes."""
    for _ in range(turns):
        await asyncio.sleep(0)


class SteppingClock(Clock):
    """Seconds that pass when a test says so; who sleeps wakes in the order of time."""

    def __init__(self) -> None:
        super().__init__()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = itertools.count()

    async def sleep(self, seconds: float) -> None:
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + seconds, next(self._count), future))
        self.slept.append(seconds)
        await future

    async def pass_(self, seconds: float) -> None:
        """Let so many seconds pass, and all that happens in them."""
        until = self.now + seconds
        await rest()
        while self._sleepers and self._sleepers[0][0] <= until:
            wakes_at, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                self.now = max(self.now, wakes_at)
                future.set_result(None)
                await rest()
        self.now = until
