"""The results of all scenarios of a run, and their table at its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter


@dataclass(frozen=True)
class Row:
    """The result of a scenario.

    :param created: for each number of sessions, how many replicas had that many.
    """

    scenario: str
    created: Mapping[int, int]
    live: int
    outcome: str
    seconds: float


#: The results so far.
ROWS: list[Row] = []


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Print the table of results; for the conftest.py of each folder with scenarios."""
    if ROWS:
        terminalreporter.section("sessions created per replica, as the platform recorded them")
        for line in table(ROWS):
            terminalreporter.write_line(line)
        ROWS.clear()


def table(rows: list[Row]) -> list[str]:
    """Format the results as a table."""
    lines = [("scenario", "sessions created", "live at the end", "outcome", "seconds")]
    for row in rows:
        created = ", ".join(f"{times} for {count}" for times, count in sorted(row.created.items()))
        lines.append((row.scenario, created, str(row.live), row.outcome, f"{row.seconds:.0f}"))
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    return ["  ".join(map(_padded, line, widths)).rstrip() for line in lines]


def _padded(text: str, width: int) -> str:
    return text.ljust(width)
