"""Waiting for free cores, RAM and GPUs on the platform."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.errors import RequestError, SpecError
from airflow_provider_canfar.skaha.polling.backoff import PollBackoff
from airflow_provider_canfar.skaha.polling.outage_log import with_outage_log

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.models import Stats


#: How people call each amount.
_UNITS = {"cores": "cores", "ram": "GB of RAM", "gpus": "GPUs"}


@dataclass(frozen=True, slots=True)
class Capacity:
    """How much must be free on the whole platform.

    :param cores: CPU cores.
    :param ram: GB.
    :param gpus: GPUs.
    :raises SpecError: for a number below zero, and if all are zero.
    """

    cores: float = 0.0
    ram: float = 0.0
    gpus: float = 0.0

    def __post_init__(self) -> None:
        for name, value in self._amounts():
            if value < 0:
                raise SpecError(f"Invalid {name} {value:g}: must be 0 or more. Give 0 to ignore it.")
        if not any(value for _, value in self._amounts()):
            raise SpecError("Invalid cores, ram and gpus 0: one must be above 0. Give what must be free.")

    def is_free(self, stats: Stats) -> bool:
        """Whether that much is free; an amount that the platform does not report counts as 0."""
        return all((getattr(stats.free, name) or 0.0) >= value for name, value in self._amounts())

    def require_reported(self, stats: Stats) -> None:
        """Check that the platform reports what is to be free.

        :raises SpecError: for an amount that it does not report: the wait would never end.
        """
        unreported = [name for name, value in self._amounts() if value and getattr(stats.free, name) is None]
        if unreported:
            names = " and ".join(unreported)
            raise SpecError(
                f"Invalid {names}: this platform does not report free {names}, so the wait would never end. "
                f"Leave {names} out."
            )

    def _amounts(self) -> list[tuple[str, float]]:
        return [(one.name, getattr(self, one.name)) for one in fields(self)]

    def __str__(self) -> str:
        """Say briefly what must be free.

        >>> str(Capacity(cores=8, ram=16)), str(Capacity(gpus=2))
        ('8 cores and 16 GB of RAM to be free', '2 GPUs to be free')
        """
        wanted = [f"{value:g} {_UNITS[name]}" for name, value in self._amounts() if value]
        return f"{' and '.join(wanted)} to be free"


def free_amounts(stats: Stats) -> dict[str, float | None]:
    """Return what is free, as an XCom shows it; None for what the platform does not report."""
    return {name: getattr(stats.free, name) for name in _UNITS}


def describe_free(stats: Stats) -> str:
    """Say how much is free; of GPUs only where the platform reports them.

    >>> from airflow_provider_canfar.skaha.models import Resources, Stats
    >>> describe_free(Stats(available=Resources(cores=10), requested=Resources(cores=4)))
    'Free: 6 cores, unknown GB of RAM.'
    """
    amounts = [
        f"{'unknown' if amount is None else f'{amount:g}'} {_UNITS[name]}"
        for name, amount in free_amounts(stats).items()
        if amount is not None or name != "gpus"
    ]
    return f"Free: {', '.join(amounts)}."


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
    :raises SpecError: when the platform does not report an amount that is to be free.
    """
    polls = _poll(fetch_stats, interval, deadline=deadline, clock=clock, sleep=sleep)
    logged = ""
    async for poll in with_outage_log(polls, emit):
        if poll.stats is None:
            continue
        capacity.require_reported(poll.stats)
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
