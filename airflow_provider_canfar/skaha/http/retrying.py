"""The one retry policy.

Reads, deletes and renewals are sent again if a retry can help: after 429, 503 and any other 5xx, after a
reset, a refused connection or a timeout, and after an unreadable response. The delays between the tries grow
from a second to half a minute, and are random below that, so that many clients do not come back in step. A
server's Retry-After is honoured, up to a minute. No try starts later than ``retry_for`` seconds after the
first; then the last error is raised, unchanged. ``retry_for=0`` is a single try.

A create is never sent again here: after an ambiguous response the session may well exist, and only the list
can say. Nor is a 401 retried here: the credential is refreshed once, and only once.

These numbers are a policy and not a promise: they may change.
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

#: Seconds after the first try in which the last one starts.
RETRY_FOR = 120.0

#: The longest delay of our own choice between two tries, in seconds.
MAX_RETRY_DELAY = 30.0

#: The longest Retry-After that a retry honours, in seconds.
MAX_RETRY_AFTER = 60.0

_BACKOFF = wait_random_exponential(multiplier=1.0, max=MAX_RETRY_DELAY, min=0.1)
_JITTER = wait_random(0.0, 1.0)


def is_retryable(error: BaseException) -> bool:
    """Whether the same request, sent again later, may succeed."""
    return isinstance(error, RequestError) and error.retryable


def retrying(
    retry_for: float = RETRY_FOR,
    *,
    sleep: Sleep = asyncio.sleep,
    clock: Clock = time.monotonic,
    retryable: Callable[[BaseException], bool] = is_retryable,
) -> AsyncRetrying:
    """Return the policy for one request, as this module describes it. Its time starts now.

    :param retry_for: seconds in which the last try may start; 0 for a single try.
    :param sleep: waits between tries.
    :param clock: monotonic seconds.
    :param retryable: whether another try may succeed after an error.
    """
    started = clock()

    def is_late(state: RetryCallState) -> bool:
        return clock() - started + state.upcoming_sleep >= retry_for

    return AsyncRetrying(
        retry=retry_if_exception(retryable),
        wait=delay,
        stop=is_late,
        sleep=sleep,
        before_sleep=_log_retry,
        reraise=True,
    )


def delay(state: RetryCallState) -> float:
    """Return the seconds to wait before the next try."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, ServiceBusy) and error.retry_after is not None:
        return min(error.retry_after, MAX_RETRY_AFTER) + _JITTER(state)
    return _BACKOFF(state)


def _log_retry(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.info("Retrying in %.1f s: %s", state.upcoming_sleep, error)
