"""When to look again. Pure, but for a little chance that keeps many who wait from asking in step."""

from __future__ import annotations

import random

#: The pause after the first look, in seconds; each one after it is twice as long, up to the interval.
FIRST_PAUSE = 1.0

#: The shortest pause, whatever anybody asks for.
SHORTEST_PAUSE = 0.1

#: The longest pause between two looks while the platform does not answer, in seconds; or the interval, where
#: that is longer.
LONGEST_PAUSE = 60.0

#: The longest Retry-After that is honoured, in seconds: somebody's deadline may pass meanwhile.
LONGEST_RETRY_AFTER = 600.0

#: A pause is longer by up to a tenth, and never shorter than it was meant.
JITTER = 0.1


class PollBackoff:
    """The pauses between looks: short at first, for sessions that are short, then one interval.

    While the platform does not answer they double, up to a minute.

    >>> pace = PollBackoff()
    >>> pace.hurry(1.0)
    1.0
    >>> [int(pace.after_an_answer(interval=15)) for _ in range(4)]
    [1, 2, 4, 8]
    """

    def __init__(self) -> None:
        self._next = float("inf")
        #: How old an answer that several share may be, in seconds: the last pause, without its jitter.
        self.max_age = 0.0

    def hurry(self, soon: float) -> float:
        """Begin with short pauses again, for somebody who has just come; return the first of them."""
        self._next = self.max_age = max(SHORTEST_PAUSE, min(self._next, soon))
        return self._next

    def after_an_answer(self, interval: float) -> float:
        """Return how long to wait when the platform has answered.

        :param interval: the shortest that anybody asks for.
        """
        return self._pause(interval)

    def after_a_fault(self, interval: float, retry_after: float | None = None) -> float:
        """Return how long to wait when it has not.

        :param retry_after: in how many seconds the server wants to be asked again.
        """
        pause = self._pause(max(interval, LONGEST_PAUSE))
        requested = min(retry_after or 0.0, LONGEST_RETRY_AFTER)
        self.max_age = max(self.max_age, requested)
        return max(pause, requested)

    def _pause(self, longest: float) -> float:
        pause = max(SHORTEST_PAUSE, min(self._next, longest))
        self._next, self.max_age = 2 * pause, pause
        # A spread of requests over time.
        return pause * random.uniform(1.0, 1.0 + JITTER)  # noqa: S311 - no secret is made of it
