"""What a task's log says about an outage of the platform: that it begins, continues, ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Protocol, TypeVar

from airflow_provider_canfar.skaha.log_line import WarningLine

#: Seconds between two lines about an outage that continues.
REPORT_EVERY = 300.0


class PollResult(Protocol):
    """What one poll returned, such as a :class:`~.snapshot.Snapshot`."""

    @property
    def at(self) -> float:
        """When, in seconds since the epoch."""

    @property
    def fault(self) -> Exception | None:
        """Why there was no answer; None if there was one."""


R = TypeVar("R", bound=PollResult)


class OutageLog:
    """The log lines about an outage: one when it begins, one every five minutes, one when it ends.

    >>> from airflow_provider_canfar.skaha.polling.snapshot import Snapshot
    >>> outage_log = OutageLog()
    >>> outage_log.update(Snapshot(1000.0, fault=OSError("no route")))
    'The platform is not responding; still waiting. no route'
    >>> outage_log.update(Snapshot(1060.0, fault=OSError("no route")))
    >>> outage_log.update(Snapshot(1090.0))
    'The platform is responding again after 90 s.'
    """

    def __init__(self) -> None:
        self._since: float | None = None
        self._reported_at = 0.0

    def update(self, snapshot: PollResult) -> str | None:
        """Return the line to log after a snapshot, if any."""
        since = self._since
        if snapshot.fault is None:
            self._since = None
            if since is None:
                return None
            return f"The platform is responding again after {snapshot.at - since:.0f} s."
        if since is not None and snapshot.at - self._reported_at < REPORT_EVERY:
            return None
        self._reported_at = snapshot.at
        if since is not None:
            return WarningLine(
                f"The platform has not responded for {snapshot.at - since:.0f} s. {snapshot.fault}"
            )
        self._since = snapshot.at
        return WarningLine(f"The platform is not responding; still waiting. {snapshot.fault}")


async def with_outage_log(snapshots: AsyncIterator[R], emit: Callable[[str], None]) -> AsyncIterator[R]:
    """Pass snapshots on, and log when an outage begins, continues and ends."""
    outage_log = OutageLog()
    async for snapshot in snapshots:
        if (line := outage_log.update(snapshot)) is not None:
            emit(line)
        yield snapshot
