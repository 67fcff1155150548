"""When to poll next. Pure, except for the jitter that keeps many clients from asking in step."""

from __future__ import annotations

import random

#: The pause after the first poll, in seconds; each later one is twice as long, up to the interval.
FIRST_PAUSE = 1.0

#: The shortest pause, whatever a subscriber asks for.
SHORTEST_PAUSE = 0.1

#: The longest pause between two polls while the platform does not respond, in seconds; or the interval, if
#: that is longer.
MAX_OUTAGE_PAUSE = 60.0

#: The longest Retry-After that the poll honours, in seconds: a subscriber's deadline may pass meanwhile.
MAX_POLL_RETRY_AFTER = 600.0

#: A pause is longer by up to a tenth, and never shorter than intended.
JITTER = 0.1


class PollBackoff:
    """The pauses between polls: short at first, for sessions that are short, then one interval.

    While the platform does not respond they double, up to a minute.

    >>> backoff = PollBackoff()
    >>> backoff.restart(1.0)
    1.0
    >>> [int(backoff.after_response(interval=15)) for _ in range(4)]
    [1, 2, 4, 8]
    """

    def __init__(self) -> None:
        self._next = float("inf")
        #: How old an answer that several share may be, in seconds: the last pause, without its jitter.
        self.max_age = 0.0

    def restart(self, first_pause: float) -> float:
        """Start with short pauses again, for a new subscriber; return the first of them."""
        self._next = self.max_age = max(SHORTEST_PAUSE, min(self._next, first_pause))
        return self._next

    def after_response(self, interval: float) -> float:
        """Return the pause after the platform has responded.

        :param interval: the shortest of all subscribers.
        """
        return self._pause(interval)

    def after_failure(self, interval: float, retry_after: float | None = None) -> float:
        """Return the pause after it has not.

        :param retry_after: in how many seconds the server wants the next request.
        """
        pause = self._pause(max(interval, MAX_OUTAGE_PAUSE))
        requested = min(retry_after or 0.0, MAX_POLL_RETRY_AFTER)
        self.max_age = max(self.max_age, requested)
        return max(pause, requested)

    def _pause(self, longest: float) -> float:
        pause = max(SHORTEST_PAUSE, min(self._next, longest))
        self._next, self.max_age = 2 * pause, pause
        # This spreads requests over time.
        return pause * random.uniform(1.0, 1.0 + JITTER)  # noqa: S311 (not for a secret)
