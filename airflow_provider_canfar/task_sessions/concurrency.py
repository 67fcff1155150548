"""How many creates to have under way at once: fewer when the platform is slow or busy, and then more again.

Additive increase and multiplicative decrease, as TCP has it. Pure.
"""

from __future__ import annotations

#: How many creates are under way at once by default. Each costs the platform some look-ups and a kubectl.
LAUNCH_CONCURRENCY = 8

#: A create that takes longer than this many seconds says that the platform is slow.
SLOW_CREATE = 20.0


class AdaptiveConcurrency:
    """How many creates to have under way at once.

    >>> concurrency = AdaptiveConcurrency(8)
    >>> concurrency.reduce()
    >>> concurrency.now
    4

    :param most: how many at most.
    :param start: how many at first: what an earlier phase has learnt; None for the most.
    """

    def __init__(self, most: int, start: int | None = None) -> None:
        self.most = most
        self.now = most if start is None else max(1, min(start, most))
        self._good = 0

    def created(self, seconds: float) -> None:
        """Take in that a create has succeeded.

        :param seconds: how long it took.
        """
        if seconds > SLOW_CREATE:
            self.reduce()
            return
        self._good += 1
        if self._good >= self.now and self.now < self.most:
            self.now += 1
            self._good = 0

    def reduce(self) -> None:
        """Take in that the platform is slow, or busy."""
        self.now = max(1, self.now // 2)
        self._good = 0

    def carried(self) -> dict[str, int]:
        """Return what the next phase starts with, if that is not the most; JSON."""
        return {"concurrency": self.now} if self.now < self.most else {}
