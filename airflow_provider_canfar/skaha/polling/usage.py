"""How many cores and how much RAM sessions use, as far as lists have shown it. No I/O.

The server asks Kubernetes' metrics for each list of running sessions, and leaves usage out where they are
down. They change every 15 seconds or so, and a peak between two lists is not seen: all figures are *at
least*.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from airflow_provider_canfar.skaha.fields import quantity

#: Seconds for which the usage of a session that is no longer listed is kept: a task may be between two waits.
KEPT_FOR = 3600.0


class Usage(NamedTuple):
    """What a session has used, in values that JSON can hold.

    :param ram: the most RAM that was seen in use, in GB of 10^9 bytes, as the server counts; None where none
        was reported.
    :param last_ram: what was seen in use last.
    :param cores: the most cores that were seen in use.
    :param samples: how many lists have shown it.
    :param age: seconds between the last of them and the first list that showed the session's end.
    """

    ram: float | None
    last_ram: float | None
    cores: float | None
    samples: int
    age: float


class InUse(NamedTuple):
    """What one list shows of one session: GB of RAM, and cores; None where it does not say."""

    ram: float | None
    cores: float | None


def in_use(ram: Any, cores: Any) -> InUse | None:
    """Read two cells of a list; None where neither says anything.

    >>> in_use("1.37", "0.982"), in_use("<none>", ""), in_use("147Gi", "<none>")
    (InUse(ram=1.37, cores=0.982), None, InUse(ram=157.840048128, cores=None))
    """
    if ram is None and cores is None:
        return None
    seen = InUse(_figure(ram), _figure(cores))
    return None if seen.ram is None and seen.cores is None else seen


def _figure(cell: Any) -> float | None:
    """Read a cell: as the server writes it now, which is quick, or as any has written it."""
    try:
        number = float(cell)
    except (TypeError, ValueError, OverflowError):
        return quantity(cell)
    return number if 0.0 <= number < float("inf") else None


@dataclass(slots=True)
class _Record:
    ram: float | None
    last_ram: float | None
    cores: float | None
    samples: int
    seen_at: float


class UsageHistory:
    """What lists have shown of each session so far; of sessions long unlisted, nothing is kept."""

    def __init__(self) -> None:
        self._records: dict[str, _Record] = {}
        self._forget_at = 0.0

    def observe(self, seen: Mapping[str, InUse], at: float) -> None:
        """Take in what one list shows, by id.

        :param at: seconds since the epoch.
        """
        for session_id, now in seen.items():
            record = self._records.get(session_id)
            if record is None:
                self._records[session_id] = _Record(now.ram, now.ram, now.cores, 1, at)
                continue
            ram, cores = now
            if ram is not None:
                record.last_ram = ram
                if record.ram is None or ram > record.ram:
                    record.ram = ram
            if cores is not None and (record.cores is None or cores > record.cores):
                record.cores = cores
            record.samples += 1
            record.seen_at = at
        if at >= self._forget_at:
            self._forget_at = at + KEPT_FOR / 4
            self._records = {
                one: record for one, record in self._records.items() if at - record.seen_at < KEPT_FOR
            }

    def of(self, ended_at: Mapping[str, float]) -> dict[str, Usage]:
        """Return what sessions have used; those of which nothing is known are left out.

        :param ended_at: id -> when its end was seen, in seconds since the epoch.
        """
        return {
            session_id: Usage(
                _rounded(record.ram),
                _rounded(record.last_ram),
                _rounded(record.cores),
                record.samples,
                round(max(0.0, at - record.seen_at)),
            )
            for session_id, at in ended_at.items()
            if (record := self._records.get(session_id)) is not None
        }


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 3)
