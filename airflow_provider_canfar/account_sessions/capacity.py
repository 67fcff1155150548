"""Waiting for free cores and RAM on the platform."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.errors import AuthenticationError, RequestError, SpecError
from airflow_provider_canfar.skaha.polling.backoff import MAX_OUTAGE_PAUSE, MAX_POLL_RETRY_AFTER
from airflow_provider_canfar.skaha.polling.outage_log import OutageLog
from airflow_provider_canfar.skaha.polling.snapshot import Snapshot

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.models import Stats


@dataclass(frozen=True, slots=True)
class Capacity:
    """What shall be free on the whole platform, so that sessions start soon.

    :param cores: CPU cores.
    :param ram: GB.
    :raises SpecError: when nothing is asked for.
    """

    cores: float = 0.0
    ram: float = 0.0

    def __post_init__(self) -> None:
        if min(self.cores, self.ram) < 0 or not (self.cores or self.ram):
            raise SpecError(
                f"cores={self.cores:g} and ram={self.ram:g} are refused: give one or both, above zero."
            )

    def is_free(self, stats: Stats) -> bool:
        """Whether there is as much; what the platform does not tell is not free."""
        return (stats.free.cores or 0.0) >= self.cores and (stats.free.ram or 0.0) >= self.ram


def free_in_words(stats: Stats) -> str:
    """Say what is free.

    >>> from airflow_provider_canfar.skaha.models import Resources, Stats
    >>> free_in_words(Stats(available=Resources(cores=10), requested=Resources(cores=4)))
    'Free: 6 cores, unknown GB of RAM.'
    """
    cores, ram = ("unknown" if one is None else f"{one:g}" for one in (stats.free.cores, stats.free.ram))
    return f"Free: {cores} cores, {ram} GB of RAM."


async def wait_until_free(
    capacity: Capacity,
    ask: Callable[[float], Awaitable[Stats]],
    interval: float,
    *,
    deadline: float | None,
    emit: Callable[[str], None],
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Stats | None:
    """Look until there is enough, and return what was seen; None when the deadline has passed before.

    :param ask: returns how busy the platform is, or was so many seconds ago at most: many who wait may share
        an answer. It does not try again by itself: this loop does.
    :param interval: seconds between two looks.
    :param deadline: seconds since the epoch.
    :raises AuthenticationError: when the platform refuses the credential.
    """
    pause, outage_log, before = interval, OutageLog(), ""
    while deadline is None or clock() < deadline:
        fault: RequestError | None = None
        try:
            stats = await ask(pause)
        except AuthenticationError:
            raise
        except RequestError as error:
            fault = error
            asked = min(getattr(fault, "retry_after", None) or 0.0, MAX_POLL_RETRY_AFTER)
            pause = max(asked, min(2 * pause, max(MAX_OUTAGE_PAUSE, interval)))
        if (news := outage_log.update(Snapshot(clock(), fault=fault))) is not None:
            emit(news)
        if fault is None:
            pause = interval
            if before != (before := free_in_words(stats)):
                emit(before)
            if capacity.is_free(stats):
                return stats
        left = float("inf") if deadline is None else deadline - clock()
        # A spread of requests over time, and none before its time.
        await sleep(min(left, pause * random.uniform(1.0, 1.1)))  # noqa: S311 - no secret is made of it
    return None
