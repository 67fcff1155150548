"""Reading a function's result out of a session's log, from the lines that :mod:`.runner` writes. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from airflow_provider_canfar.decorators._function_runner import MARK, checksum


@dataclass(frozen=True, slots=True)
class Reading:
    """What a log holds.

    :param log: what people see: the log without the lines of the result.
    :param result: the result's JSON; None where there is none.
    :param fault: why there is none.
    """

    log: str
    result: str | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of a result, and where it is in the log."""

    start: int
    end: int
    number: int
    total: int
    check: str
    piece: str


def read(log: str, token: str) -> Reading:
    """Take the result out of a log.

    Only lines that are whole, and whose checksum is right for this very token, are a result. What looks like
    one but is not, because the program itself has printed something of the kind, stays in the log.

    :param log: standard output and error of a session, in whatever disorder.
    :param token: names the replica whose result is wanted, in one word.
    """
    lines = list(_lines(log, token))
    results = {}
    for check in dict.fromkeys(line.check for line in lines):
        text = _whole([line for line in lines if line.check == check])
        if text is not None and checksum(token, text) == check:
            results[check] = text
    cleaned = _without(log, [line for line in lines if line.check in results])
    if not results:
        return Reading(cleaned, fault="part of it is missing" if lines else "")
    if len(results) > 1:
        return Reading(cleaned, fault=f"there are {len(results)} different ones")
    (text,) = results.values()
    return Reading(cleaned, text)


def _lines(log: str, token: str) -> Iterator[_Line]:
    """Find the lines that are, or look like, lines of the result."""
    # A piece of JSON is printable ASCII.
    number, check, piece = "([0-9]{1,3})", "([0-9a-f]{32})", "([ -~]+)"
    pattern = re.compile(rf"{MARK} {re.escape(token)} {number}/{number} {check} {piece}(?=\n|\Z)")
    # A pattern that began with the start of a line would be looked for at every character.
    for match in pattern.finditer(log):
        if match.start() == 0 or log[match.start() - 1] == "\n":
            yield _Line(match.start(), match.end(), int(match[1]), int(match[2]), match[3], match[4])


def _whole(lines: Iterable[_Line]) -> str | None:
    """Put the pieces of one result together; None when some are missing, or are there in two versions."""
    pieces: dict[int, str] = {}
    totals = set()
    for line in lines:
        if pieces.setdefault(line.number, line.piece) != line.piece:
            return None
        totals.add(line.total)
    if len(totals) != 1 or sorted(pieces) != list(range(1, max(totals) + 1)):
        return None
    return "".join(piece for _, piece in sorted(pieces.items()))


def _without(log: str, lines: Iterable[_Line]) -> str:
    """Cut lines out of a log, each with the blank line before it that it was written with."""
    kept, position = [], 0
    for line in lines:
        start = line.start
        if start and (start == 1 or log[start - 2] == "\n"):
            start -= 1
        kept.append(log[position:start])
        position = line.end + 1
    return "".join([*kept, log[position:]])
