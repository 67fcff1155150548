"""Waiting for free cores and RAM on the platform."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.errors import RequestError, SpecError
from airflow_provider_canfar.skaha.polling.backoff import PollBackoff
from airflow_provider_canfar.skaha.polling.outage_log import with_outage_log

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.models import Stats


@dataclass(frozen=True, slots=True)
class Capacity:
    """How much must be free on the whole platform.

    :param cores: CPU cores.
    :param ram: GB.
    :raises SpecError: for a number below zero, and if both are zero.
    """

    cores: float = 0.0
    ram: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("cores", self.cores), ("ram", self.ram)):
            if value < 0:
                raise SpecError(f"Invalid {name} {value:g}: must be 0 or more. Give 0 to ignore it.")
        if not (self.cores or self.ram):
            raise SpecError("Invalid cores 0 and ram 0: one must be above 0. Give cores, ram or both.")

    def is_free(self, stats: Stats) -> bool:
        """Whether that much is free; an amount that the platform does not report counts as 0."""
        return (stats.free.cores or 0.0) >= self.cores and (stats.free.ram or 0.0) >= self.ram

    def __str__(self) -> str:
        """Say briefly what must be free.

        >>> str(Capacity(cores=8, ram=16))
        '8 cores and 16 GB of RAM to be free'
        """
        return f"{self.cores:g} cores and {self.ram:g} GB of RAM to be free"


def describe_free(stats: Stats) -> str:
    """Say how much is free.

    >>> from airflow_provider_canfar.skaha.models import Resources, Stats
    >>> describe_free(Stats(available=Resources(cores=10), requested=Resources(cores=4)))
    'Free: 6 cores, unknown GB of RAM.'
    """
    cores, ram = (
        "unknown" if amount is None else f"{amount:g}" for amount in (stats.free.cores, stats.free.ram)
    )
    return f"Free: {cores} cores, {ram} GB of RAM."


async def wait_until_free(
    capacity: Capacity,
    fetch_stats: Callable[[float], Awaitable[Stats]],
    interval: float,
    *,
    deadline: float | None,
    emit: Callable[[str], None],
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Stats | None:
    """Poll until enough is free, and return the stats that show it; None if the deadline has passed before.

    :param fetch_stats: returns stats that are at most that many seconds old, so that many waits can share one
        request. It does not retry: the next poll does.
    :param interval: seconds between two polls.
    :param deadline: seconds since the epoch; None: no deadline.
    :param emit: logs a line when the free amount changes, and about outages.
    :raises RequestError: when the platform refuses the credential or a request; waiting cannot help.
    """
    polls = _poll(fetch_stats, interval, deadline=deadline, clock=clock, sleep=sleep)
    logged = ""
    async for poll in with_outage_log(polls, emit):
        if poll.stats is None:
            continue
        free = describe_free(poll.stats)
        if free != logged:
            emit(free)
            logged = free
        if capacity.is_free(poll.stats):
            return poll.stats
    return None


@dataclass(frozen=True, slots=True)
class _StatsPoll:
    """What one poll returned: stats, or why there are none."""

    at: float
    stats: Stats | None = None
    fault: RequestError | None = None


async def _poll(
    fetch_stats: Callable[[float], Awaitable[Stats]],
    interval: float,
    *,
    deadline: float | None,
    clock: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]],
) -> AsyncIterator[_StatsPoll]:
    """Poll until the deadline has passed."""
    backoff = PollBackoff()
    backoff.restart(interval)
    while deadline is None or clock() < deadline:
        try:
            stats = await fetch_stats(backoff.max_age)
        except RequestError as error:
            if not error.retryable:
                raise
            pause = backoff.after_failure(interval, getattr(error, "retry_after", None))
            yield _StatsPoll(clock(), fault=error)
        else:
            pause = backoff.after_response(interval)
            yield _StatsPoll(clock(), stats)
        remaining = float("inf") if deadline is None else deadline - clock()
        await sleep(min(remaining, pause))
