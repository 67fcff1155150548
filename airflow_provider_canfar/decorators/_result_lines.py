"""Parse a function's result out of a session's log, where :mod:`._function_runner` has printed it. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NoReturn

from airflow_provider_canfar.decorators._function_runner import (
    LINE_BYTES,
    MAX_RESULT_BYTES,
    RESULT_PREFIX,
    checksum,
)
from airflow_provider_canfar.decorators._json_types import MAX_DEPTH, to_json_types

# What follows the marker: the line's number, the total, the checksum and a piece of JSON, which is printable
# ASCII.
_PIECE = re.compile("([0-9]{1,3})/([0-9]{1,3}) ([0-9a-f]{32}) ([ -~]+)")

# The last line: the exit status and its checksum.
_END = re.compile("end ([0-9]{1,3}) ([0-9a-f]{32})")

# What opens and closes lists and dicts, outside strings. A string need not be closed, so that each character
# is looked at once.
_NESTING = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', re.DOTALL)


@dataclass(frozen=True, slots=True)
class ParsedLog:
    """A session's log, with the function's result separated from the output.

    :param log: the output: the log without the lines of the result.
    :param result: the result's JSON; None where there is none.
    :param fault: why there is none.
    :param exit_status: how the process ended; None where the log does not say, as its end is missing.
    """

    log: str
    result: str | None = None
    fault: str = ""
    exit_status: int | None = None

    @property
    def missing_reason(self) -> str:
        """Why the result is missing, as a line for the log of a session that completed without one."""
        if self.fault:
            return f"(The function's result is missing from the log: {self.fault}.)"
        if self.exit_status is not None:
            return (
                f"(The function has no result: it called sys.exit({self.exit_status}) before it returned. "
                "Return a value instead, such as None.)"
            )
        return (
            "(The function's result is missing from the log, and so is the end of its process. Either the "
            "function called os._exit(0) before it returned, or the platform, which keeps about the newest "
            "10 MB of a log, dropped them.)"
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


@dataclass(frozen=True, slots=True)
class _End:
    """The line that ends a log, and where it is."""

    start: int
    end: int
    status: int


def parse_log(log: str, marker: str) -> ParsedLog:
    """Separate a result from the rest of a log.

    Only complete lines whose checksum matches this marker count as a result, and only if the log also has the
    line that ends it. A line that merely resembles one, because the program itself printed it, stays in the
    log.

    :param log: standard output and error of a session, interleaved in any order.
    :param marker: identifies the replica whose result is wanted; one word.
    """
    marked = list(_lines(log, marker))
    lines = [line for line in marked if isinstance(line, _Line)]
    ends = [line for line in marked if isinstance(line, _End)]
    by_check: dict[str, list[_Line]] = {}
    for line in lines:
        by_check.setdefault(line.check, []).append(line)
    results = {}
    for check, several in by_check.items():
        text = _join(several)
        if text is not None and checksum(marker, text) == check:
            results[check] = text
    output = _remove(log, [line for line in marked if isinstance(line, _End) or line.check in results])
    statuses = {one.status for one in ends}
    status = min(statuses) if len(statuses) == 1 else None
    if not results:
        return ParsedLog(output, fault="part of it is missing" if lines else "", exit_status=status)
    if len(results) > 1:
        fault = f"the log has {len(results):,} different results"
        return ParsedLog(output, fault=fault, exit_status=status)
    if status != 0:
        fault = "the log has another end than that of a result" if statuses else "its end is missing"
        return ParsedLog(output, fault=fault, exit_status=status)
    (text,) = results.values()
    try:
        check_result(text)
    except ValueError as error:
        fault = f"what is there is not one that a function returns: {error}"
        return ParsedLog(output, fault=fault, exit_status=status)
    return ParsedLog(output, text, exit_status=status)


def check_result(text: str) -> None:
    """Check that a result is one that the runner would have printed: a program may print its own.

    :param text: the result's JSON.
    :raises ValueError: for text that is too long, that is nested too deep for a parser, that is not JSON, or
        whose value Airflow cannot store.
    """
    if len(text) > MAX_RESULT_BYTES:
        raise ValueError(f"it has more than {MAX_RESULT_BYTES:,} bytes")
    depth = 0
    for match in _NESTING.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(match[0], 0)
        if depth > MAX_DEPTH + 1:
            raise ValueError(f"it is nested deeper than {MAX_DEPTH} lists and dicts")
    to_json_types(json.loads(text, parse_constant=_reject_constant), "result")


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"it contains {name}")


def _lines(log: str, marker: str) -> Iterator[_Line | _End]:
    """Find the lines that are, or look like, lines of the result, and those that end it."""
    head = f"{RESULT_PREFIX} {marker} "
    # With a line feed in front, each line follows one, and an index of a line feed here is the index at which
    # a line starts in the log. A regular expression that began with the start of a line would be tried at
    # every character.
    padded = f"\n{log}"
    start = padded.find(f"\n{head}")
    while start >= 0:
        end = log.find("\n", start)
        end = len(log) if end < 0 else end
        if end - start > LINE_BYTES:
            pass
        elif match := _PIECE.fullmatch(log, start + len(head), end):
            yield _Line(start, end, int(match[1]), int(match[2]), match[3], match[4])
        elif (match := _END.fullmatch(log, start + len(head), end)) and match[2] == checksum(
            marker, f"end {match[1]}"
        ):
            yield _End(start, end, int(match[1]))
        start = padded.find(f"\n{head}", end)


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


def _remove(log: str, lines: Iterable[_Line | _End]) -> str:
    """Remove lines from a log, each with the blank line that was written before it."""
    kept, position = [], 0
    for line in lines:
        start = line.start
        if start and (start == 1 or log[start - 2] == "\n"):
            start -= 1
        kept.append(log[position:start])
        position = line.end + 1
    return "".join([*kept, log[position:]])
