"""The table of events that kubectl prints, which the server passes on as text (SessionAction.getEvents).

The columns are padded with spaces. The server also passes on what kubectl prints on standard error, and
another kubectl, or a proxy, may add a column or end lines in another way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from airflow_provider_canfar.skaha.session import Event

_WORD = r"\S+"
_TIME = r"(?:<none>|\d{4}-\d\d-\d\dT\S+)"
_CELLS = {
    "TYPE": r"(?P<type>\S+)",
    "REASON": r"(?P<reason>\S+)",
    "FIRST-TIME": rf"(?P<first_time>{_TIME})",
    "LAST-TIME": rf"(?P<last_time>{_TIME})",
}
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
    before = "".join(f"{_CELLS.get(column, _WORD)} +" for column in columns[:place])
    after = "".join(f" +{_CELLS.get(column, _WORD)}" for column in columns[place + 1 :])
    whole = re.compile(rf" *{before}(?P<message>.*?){after} *(?=\n|\Z)", re.DOTALL)
    without_times = re.compile(rf" *{before}(?P<message>.*?)\s*\Z", re.DOTALL)
    for row in _rows(columns, lines):
        match = whole.match(row) or without_times.match(row)
        if match is not None:
            yield Event.model_validate(match.groupdict())


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
