"""Parse a function's result out of a session's log, where :mod:`._function_runner` has printed it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from airflow_provider_canfar.decorators._function_runner import RESULT_PREFIX, checksum


@dataclass(frozen=True, slots=True)
class ParsedLog:
    """A session's log, with the function's result separated from the output.

    :param log: the output: the log without the lines of the result.
    :param result: the result's JSON; None where there is none.
    :param fault: why there is none.
    """

    log: str
    result: str | None = None
    fault: str = ""

    @property
    def missing_reason(self) -> str:
        """Why the result is missing, as a line for the log of a session that completed without one."""
        if self.fault:
            return f"(The function's result is missing from the log: {self.fault}.)"
        return (
            "(The function's result is missing from the log. Either the function called sys.exit(0) or "
            "os._exit(0) before it returned, or the platform, which keeps about the newest 10 MB of a log, "
            "dropped it.)"
        )


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of a result, and where it is in the log."""

    start: int
    end: int
    number: int
    total: int
    check: str
    piece: str


def parse_log(log: str, marker: str) -> ParsedLog:
    """Separate a result from the rest of a log.

    Only complete lines whose checksum matches this marker count as a result. A line that merely resembles
    one, because the program itself printed it, stays in the log.

    :param log: standard output and error of a session, interleaved in any order.
    :param marker: identifies the replica whose result is wanted; one word.
    """
    lines = list(_lines(log, marker))
    results = {}
    for check in dict.fromkeys(line.check for line in lines):
        text = _join([line for line in lines if line.check == check])
        if text is not None and checksum(marker, text) == check:
            results[check] = text
    output = _remove(log, [line for line in lines if line.check in results])
    if not results:
        return ParsedLog(output, fault="part of it is missing" if lines else "")
    if len(results) > 1:
        return ParsedLog(output, fault=f"the log has {len(results)} different results")
    (text,) = results.values()
    return ParsedLog(output, text)


def _lines(log: str, marker: str) -> Iterator[_Line]:
    """Find the lines that are, or look like, lines of the result."""
    # A piece of JSON is printable ASCII.
    number, check, piece = "([0-9]{1,3})", "([0-9a-f]{32})", "([ -~]+)"
    pattern = re.compile(rf"{RESULT_PREFIX} {re.escape(marker)} {number}/{number} {check} {piece}(?=\n|\Z)")
    # A pattern that began with the start of a line would be tried at every character.
    for match in pattern.finditer(log):
        if match.start() == 0 or log[match.start() - 1] == "\n":
            yield _Line(match.start(), match.end(), int(match[1]), int(match[2]), match[3], match[4])


def _join(lines: Iterable[_Line]) -> str | None:
    """Join the pieces of one result; None when a piece is missing or occurs in two versions."""
    pieces: dict[int, str] = {}
    totals = set()
    for line in lines:
        if pieces.setdefault(line.number, line.piece) != line.piece:
            return None
        totals.add(line.total)
    if len(totals) != 1 or sorted(pieces) != list(range(1, max(totals) + 1)):
        return None
    return "".join(piece for _, piece in sorted(pieces.items()))


def _remove(log: str, lines: Iterable[_Line]) -> str:
    """Remove lines from a log, each with the blank line that was written before it."""
    kept, position = [], 0
    for line in lines:
        start = line.start
        if start and (start == 1 or log[start - 2] == "\n"):
            start -= 1
        kept.append(log[position:start])
        position = line.end + 1
    return "".join([*kept, log[position:]])
