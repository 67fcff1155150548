"""The table of events that kubectl prints, which the server passes on as text (SessionAction.getEvents).

The columns are padded with spaces. The server also passes on what kubectl prints on standard error, and
another kubectl, or a proxy, may add a column or end lines in another way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from airflow_provider_canfar.skaha.session import Event

#: Column -> the event's field.
_FIELDS = {"TYPE": "type", "REASON": "reason", "FIRST-TIME": "first_time", "LAST-TIME": "last_time"}
_TIMES = ("FIRST-TIME", "LAST-TIME")
_TIME = re.compile(r"<none>|\d{4}-\d\d-\d\dT\S+")

#: The types that Kubernetes has.
_TYPE = r"(?:Normal|Warning|<none>)"


def parse_events(printed: str) -> list[Event]:
    """Parse events.

    Only the message contains spaces (or even line breaks), and what follows it is either a time or
    ``<none>``, so that a row is parsed by its shape, even if a column is wider than its header.

    >>> print(*parse_events('''TYPE     REASON   MESSAGE         FIRST-TIME   LAST-TIME
    ... Warning  BackOff  Back-off, again <none>       <none>'''))
    Warning BackOff: Back-off, again
    """
    lines = printed.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for number, line in enumerate(lines):
        columns = line.split()
        if {"TYPE", "REASON", "MESSAGE"} <= set(columns) and len(columns) == len(set(columns)):
            return list(_events(columns, lines[number + 1 :]))
    return []


def _events(columns: Sequence[str], lines: Sequence[str]) -> Iterator[Event]:
    place = columns.index("MESSAGE")
    before, after = columns[:place], columns[place + 1 :]
    for row in _rows(columns, lines):
        *cells, rest = [*row.split(maxsplit=place), ""][: place + 1]
        if len(cells) < place or not _are_cells(before, cells):
            continue
        message, times = _split_end(rest, after)
        named = dict(zip((*before, *after), (*cells, *times), strict=False))
        fields = {field: named[column] for column, field in _FIELDS.items() if column in named}
        yield Event.model_validate(fields | {"message": message})


def _split_end(rest: str, columns: Sequence[str]) -> tuple[str, list[str]]:
    """Split a message from the cells behind it, which end its last line; without them, all is the message.

    It reads each line once: a regular expression would try each space of a message as its end.
    """
    lines = rest.split("\n")
    for number, line in enumerate(lines):
        parts = line.rsplit(maxsplit=len(columns)) if columns else [line]
        # Where the line has cells only, the message ends on the line before.
        message, cells = (parts[0], parts[1:]) if len(parts) > len(columns) else ("", parts)
        if len(cells) == len(columns) and _are_cells(columns, cells):
            return "\n".join([*lines[:number], message]).rstrip(" "), cells
    return rest.rstrip(), []


def _are_cells(columns: Iterable[str], cells: Iterable[str]) -> bool:
    return all(
        column not in _TIMES or _TIME.fullmatch(cell) for column, cell in zip(columns, cells, strict=True)
    )


def _rows(columns: Sequence[str], lines: Sequence[str]) -> Iterator[str]:
    """Join the lines of each row: a row begins with a type that Kubernetes has."""
    begins = re.compile(r" *" + r"\S+ +" * columns.index("TYPE") + _TYPE + r" +\S")
    row: list[str] = []
    for line in lines:
        if begins.match(line):
            if row:
                yield "\n".join(row)
            row = [line]
        elif row:
            row.append(line)
    if row:
        yield "\n".join(row)
