"""The one retry policy.

Reads, deletes and renewals are sent again when a retry can help: after 429, 503 and any other 5xx, after a
reset, a refused connection or a time-out, and after an answer that nobody can read. The pauses between the
tries grow from a second to half a minute, and are random below that, so that many who wait do not come back
in step. A server that says when to come back (Retry-After) is heeded, for up to a minute. No try begins later
than ``retry_for`` seconds after the first; then the last error is raised, unchanged. ``retry_for=0`` is a
single try.

A create is never sent again here: after a doubtful answer the session may well exist, and only a look at the
list can tell. A 401 is no matter of this policy either: the credential is renewed once, and once only.

These numbers are a policy and no promise: they may change.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, TypeAlias

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random, wait_random_exponential

from airflow_provider_canfar.skaha.errors import RequestError, ServiceBusy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Sleep: TypeAlias = Callable[[float], Awaitable[None]]
    Clock: TypeAlias = Callable[[], float]

log = logging.getLogger(__name__)

#: Seconds from the first try within which the last one begins.
RETRY_FOR = 120.0

#: The longest pause of our own making, and the longest Retry-After that is heeded, in seconds.
LONGEST_PAUSE = 30.0
LONGEST_RETRY_AFTER = 60.0

_BACK_OFF = wait_random_exponential(multiplier=1.0, max=LONGEST_PAUSE, min=0.1)
_SPREAD = wait_random(0.0, 1.0)


def retrying(
    retry_for: float = RETRY_FOR, *, sleep: Sleep = asyncio.sleep, clock: Clock = time.monotonic
) -> AsyncRetrying:
    """Make the policy for one request, as this module describes it. Its time runs from now.

    :param retry_for: seconds within which a last try may begin; 0 for a single try.
    :param sleep: what waits between tries.
    :param clock: seconds that never go back.
    """
    started = clock()

    def is_late(state: RetryCallState) -> bool:
        return clock() - started + state.upcoming_sleep >= retry_for

    return AsyncRetrying(
        retry=retry_if_exception(can_help),
        wait=pause,
        stop=is_late,
        sleep=sleep,
        before_sleep=_say,
        reraise=True,
    )


def can_help(error: BaseException) -> bool:
    """Whether the same request, sent again later, may be answered."""
    return isinstance(error, RequestError) and error.retryable


def pause(state: RetryCallState) -> float:
    """Return how long to wait before the next try, in seconds."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, ServiceBusy) and error.retry_after is not None:
        return min(error.retry_after, LONGEST_RETRY_AFTER) + _SPREAD(state)
    return _BACK_OFF(state)


def _say(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.info("Trying again in %.1f s: %s", state.upcoming_sleep, error)
