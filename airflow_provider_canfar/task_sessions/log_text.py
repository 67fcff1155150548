r"""Clean what a session printed, for the task's log and for error messages. Pure.

A session may print anything: progress bars that return to the start of their line, escape sequences that
move a terminal's cursor, megabytes in one line, and the markers with which Airflow's page folds lines. Here a
line ends at ``\n`` only. ``str.splitlines`` would also end one at ``\r``, ``\x0b``, ``\u2028`` and others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

#: A colour or another attribute of the text (SGR, ECMA-48 8.3.117).
_COLOUR = r"\x1b\[[0-9;:]*m"

# Everything that a terminal or a page would act on instead of showing it: control characters except tab, the
# separators that Unicode counts as ends of lines or paragraphs, marks that override the direction of text,
# and lone surrogates, which UTF-8 cannot encode.
_CONTROL = "\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"

_HAS_CONTROL = re.compile(f"[{_CONTROL}]")

# Each alternative begins with a control character and contains no other before its end, so that the search
# takes a time in proportion to the text's length.
_SEQUENCE = re.compile(
    rf"(?P<colour>{_COLOUR})"
    r"|\x1b\[[0-?]*[ -/]*[@-~]"  # other control sequences: cursor movements, erasures, modes
    rf"|\x1b[\]PX^_][^{_CONTROL}]*(?:\x07|\x1b\\)"  # control strings: a window's title, a link, a picture
    r"|\x1b[ -/]*[0-~]"  # other escape sequences
    rf"|(?P<control>[{_CONTROL}])"
)

_ANY_COLOUR = re.compile(_COLOUR)

# Airflow's page looks for these anywhere in a line, and may remove colours first.
_FOLD = re.compile(
    "|".join(f"(?:{_COLOUR})*".join(marker) for marker in ("::group::", "::endgroup::")), re.IGNORECASE
)

#: Bytes that the note in a shortened line may take.
_NOTE_BYTES = 48


def clean_lines(text: str, *, colours: bool = True) -> list[str]:
    r"""Split output into lines, each cleaned.

    >>> clean_lines("10%\r100%\n\x1b[31mred\x1b[0m\x1b[K\x07\n::endgroup::\n")
    ['100%', '\x1b[31mred\x1b[0m\\x07', ': :endgroup: :']

    :param text: what a session printed.
    :param colours: whether to keep the sequences that set colours.
    """
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return [clean_line(line, colours=colours) for line in lines]


def clean_line(line: str, *, colours: bool = True) -> str:
    r"""Clean one line: keep its last state, remove escape sequences, and show other control characters.

    A carriage return goes back to the start of the line; what follows it overwrites what came before. Of a
    progress bar, the last state that shows anything is kept. A marker with which Airflow's page would begin
    or end a fold becomes plain text.

    :param line: a line without its ``\n``.
    :param colours: whether to keep the sequences that set colours.
    """
    if _HAS_CONTROL.search(line):
        line = _last_state(line, colours=colours)
    while _FOLD.search(line):
        # Once more, as the end of one marker may be the beginning of another: "::group:::group::".
        line = _FOLD.sub(_plain_marker, line)
    return line


def _last_state(line: str, *, colours: bool) -> str:
    replace = _visible if colours else _visible_without_colours
    if "\r" not in line:
        return _SEQUENCE.sub(replace, line)
    for state in reversed(line.split("\r")):
        shown = _SEQUENCE.sub(replace, state)
        if _ANY_COLOUR.sub("", shown).strip():
            return shown
    return ""


def _visible(match: re.Match[str]) -> str:
    return match["colour"] or _visible_without_colours(match)


def _visible_without_colours(match: re.Match[str]) -> str:
    if match["control"] is None:
        return ""
    number = ord(match["control"])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def _plain_marker(match: re.Match[str]) -> str:
    word = _ANY_COLOUR.sub("", match[0]).strip(":")
    return f": :{word}: :"


def size(line: str) -> int:
    """Return the bytes of a line in a log, with its end."""
    return len(line.encode("utf-8", "backslashreplace")) + 1


def shorten_line(line: str, max_bytes: int) -> str:
    """Cut out the middle of a line that is longer than it may be, and say how much.

    >>> shorten_line("x" * 3_000_000, 60)
    'xxxxxxxx (2,999,988 bytes are omitted here) xxxx'

    :param line: a line without colours.
    :param max_bytes: how long it may be with the note; at least 60.
    """
    data = line.encode("utf-8", "backslashreplace")
    if len(data) <= max_bytes:
        return line
    kept = max_bytes - _NOTE_BYTES
    start, end = data[: kept - kept // 3], data[len(data) - kept // 3 :]
    # Of a character that the cut goes through, nothing is kept.
    first, last = start.decode(errors="ignore"), end.decode(errors="ignore")
    omitted = len(data) - len(first.encode()) - len(last.encode())
    return f"{first} ({omitted:,} bytes are omitted here) {last}"


def last_lines(lines: Sequence[str], max_bytes: int) -> list[str]:
    """Return as many of the last lines as fit into a number of bytes, each counted with its end."""
    kept = 0
    for line in reversed(lines):
        max_bytes -= size(line)
        if max_bytes < 0:
            break
        kept += 1
    return list(lines[len(lines) - kept :])
