"""``view=events``: what kubectl prints of a pod's events (*SessionAction.getEvents*)."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from airflow_provider_canfar.emulator.api.serializers import timestamp
from airflow_provider_canfar.emulator.faults.pod_faults import EventFormat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_canfar.emulator.runtime.sessions import Event

HEADER = ("TYPE", "REASON", "MESSAGE", "FIRST-TIME", "LAST-TIME")


def event_table(events: Sequence[Event], odd: EventFormat | None = None) -> str:
    """Return a table in kubectl's custom columns, or ``<none>`` when there are no events.

    :param odd: a format that differs from kubectl's.
    """
    odd = odd or EventFormat()
    lines = _lines(events, odd) if events else ["<none>"]
    if odd.line_above is not None:
        lines.insert(0, odd.line_above)
    return "".join(f"{line}{odd.line_ending}" for line in lines)


def _lines(events: Sequence[Event], odd: EventFormat) -> list[str]:
    rows = [[*HEADER], *(_row(event, odd) for event in events)]
    if odd.column is not None:
        for row in rows:
            if len(row) >= min(odd.column_at, len(HEADER)):
                row.insert(odd.column_at, odd.column if row is rows[0] else odd.column_value)
    widths = [max(len(row[column]) for row in rows if column < len(row)) for column in range(len(rows[0]))]
    return [
        "   ".join([*(cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)), row[-1]])
        for row in rows
    ]


def _row(event: Event, odd: EventFormat) -> list[str]:
    cells = [event.kind, event.reason, event.message]
    if odd.without_times is not None and fnmatchcase(event.reason, odd.without_times):
        return cells
    at = timestamp(event.at) or "<none>"
    return [*cells, at, at]
