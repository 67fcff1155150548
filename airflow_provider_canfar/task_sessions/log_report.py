"""What a task shows of its replicas' logs. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.statuses import GONE
from airflow_provider_canfar.task_sessions.log_text import clean_line, clean_lines, last_lines, shorten_line

if TYPE_CHECKING:
    from airflow_provider_canfar.task_sessions.batch import Outcome

#: How many of a failed replica's last lines go into the error.
TAIL_LINES = 10

#: The most bytes of one of them.
TAIL_LINE_BYTES = 1000

#: The most bytes of all of them.
TAIL_BYTES = 4000

_TRACEBACK = "Traceback (most recent call last):"
_NOT_INDENTED = re.compile(r"^\S.*$", re.MULTILINE)


def tail(log: str, lines: int = TAIL_LINES) -> str:
    r"""Return the last lines of a log for an error message, without the blank ones at its end.

    If Python raised an exception before them, it comes first: a program's standard output is often buffered,
    and then follows what it wrote to its standard error. They have no colours and are at most
    :data:`TAIL_BYTES` long.

    >>> print(tail("Traceback (most recent call last):\n  ...\nKeyError: 'M13'\n1\n2\n3\n", 3))
    KeyError: 'M13'
    ...
    3
    """
    last: list[str] = []
    # From the end: the log may have megabytes, and only these lines are cleaned.
    for line in reversed(log.split("\n")):
        shown = quoted(line)
        if last or shown.strip():
            last.insert(0, shown)
        if len(last) == lines:
            break
    raised = _last_exception(log)
    if raised is not None and raised not in last and lines > 2:
        last = [raised, "...", *last[2:]]
    return "\n".join(last_lines(last, TAIL_BYTES))


def _last_exception(log: str) -> str | None:
    """Return the line that says what exception the last traceback of a log is of."""
    start = log.rfind(_TRACEBACK)
    # The first line after it that is not indented.
    found = _NOT_INDENTED.search(log, start + len(_TRACEBACK)) if start >= 0 else None
    return quoted(found.group()) if found else None


def quoted(line: str) -> str:
    """Return a line as an error message quotes it: without colours, and of a bounded length."""
    return shorten_line(clean_line(line, colours=False), TAIL_LINE_BYTES)


def log_lines(
    outcome: Outcome, log: str, fault: Exception | None = None, max_bytes: int | None = None
) -> Iterable[str]:
    """Lay out one replica's log as a group that Airflow's page folds.

    :param fault: why the platform did not return the log.
    :param max_bytes: keep this many bytes of its end; None for all of it.
    """
    yield f"::group::Log of replica {outcome.replica}: {outcome.name} {outcome.session_id} {outcome.status}"
    nothing = "(The platform no longer has this log.)" if outcome.status == GONE else "(no output)"
    missing = f"(The platform did not return this log: {fault})" if fault else nothing
    lines = "".join(f"{line}\n" for line in clean_lines(log) or clean_lines(missing))
    yield from shortened(lines, max_bytes).removesuffix("\n").split("\n")
    yield "::endgroup::"


def shortened(log: str, max_bytes: int | None) -> str:
    r"""Keep the end of a log, in complete lines where possible, and say what was cut.

    >>> print(shortened("one\ntwo\nthree\n", 10))
    (All but the last 10 bytes are omitted.)
    two
    three
    <BLANKLINE>
    """
    data = log.encode(errors="backslashreplace")
    if max_bytes is None or len(data) <= max_bytes:
        return log
    cut = len(data) - max_bytes
    line_end = data.find(b"\n", cut - 1)
    if 0 <= line_end < len(data) - 1:
        cut = line_end + 1
    # How many there are in all is not known: only the end of a large log is read.
    return f"(All but the last {len(data) - cut:,} bytes are omitted.)\n{data[cut:].decode(errors='replace')}"
