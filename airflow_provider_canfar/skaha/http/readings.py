"""A text read in every way that it may be written: HTML, JSON, URL, backslashes, base64. Pure.

Each reading knows where in the text each of its characters comes from.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

#: Encodings on top of each other: a doubly encoded URL, in JSON, in an HTML page.
_ESCAPES = 4

#: Base64 in base64, as of a header within a command that travels as base64.
_BASE64S = 2

_ENCODED = re.compile(
    r"""
      (?P<percent>(?:%[0-9A-Fa-f]{2})+)
    | (?P<entity>&(?:\#[0-9]{1,7};?|\#[xX][0-9A-Fa-f]{1,6};?|[A-Za-z][A-Za-z0-9]{1,31};|(?:amp|lt|gt|quot)))
    | (?P<quote>'\\'')
    | (?P<unicode>(?:[\\%]u[0-9A-Fa-f]{4})+)
    | (?P<long>\\U[0-9A-Fa-f]{8})
    | (?P<hex>(?:\\x[0-9A-Fa-f]{2})+)
    | (?P<octal>(?:\\[0-3][0-7]{2})+)
    | (?P<utf8>[\xc2-\xf4][\x80-\xbf]{1,3})   # read as Latin-1
    | \\(?P<character>.)
    """,
    re.VERBOSE | re.DOTALL,
)

_CONTROL = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "v": "\v", "a": "\a", "0": "\0"}

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{6,}")

# No byte of what is in base64.
_BETWEEN_RUNS = "\ue000"


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read a text.

    :param text: what it says.
    :param starts: where in the text that was read each character begins; ``ends``, where it ends.
    """

    text: str
    starts: Sequence[int]
    ends: Sequence[int]

    @classmethod
    def of(cls, text: str) -> Self:
        """Read a text as it stands."""
        return cls(text, range(len(text)), range(1, len(text) + 1))


def readings(text: str) -> Iterator[Reading]:
    """Yield each way to read a text, first as it stands."""
    yield from _readings(Reading.of(text), _BASE64S)


def _readings(reading: Reading, base64s: int) -> Iterator[Reading]:
    for _ in range(_ESCAPES + 1):
        yield reading
        if base64s:
            for inner in from_base64(reading):
                yield from _readings(inner, base64s - 1)
        further = decoded(reading)
        if further.text == reading.text:
            return
        reading = further


def decoded(reading: Reading) -> Reading:
    """Undo one layer of what HTML, JSON, URLs, shells and programming languages do to characters."""
    text: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    at = 0
    for match in _ENCODED.finditer(reading.text):
        text.append(reading.text[at : match.start()])
        starts += reading.starts[at : match.start()]
        ends += reading.ends[at : match.start()]
        characters = _meaning(match)
        text.append(characters)
        starts += [reading.starts[match.start()]] * len(characters)
        ends += [reading.ends[match.end() - 1]] * len(characters)
        at = match.end()
    return Reading(
        "".join([*text, reading.text[at:]]), [*starts, *reading.starts[at:]], [*ends, *reading.ends[at:]]
    )


def _meaning(match: re.Match[str]) -> str:
    found = match[0]
    if match["percent"]:
        return _characters(bytes.fromhex(found.replace("%", "")))
    if match["entity"]:
        return html.unescape(found)
    if match["utf8"]:
        return _characters(found.encode("latin-1"))
    if match["unicode"]:
        units = bytes.fromhex(re.sub(r"[\\%]u", "", found))
        return units.decode("utf-16-be", "replace")
    if match["long"]:
        return bytes.fromhex(found[2:]).decode("utf-32-be", "replace")
    if match["hex"]:
        return _characters(bytes.fromhex(found.replace("\\x", "")))
    if match["octal"]:
        return _characters(bytes(int(digits, 8) for digits in found.split("\\")[1:]))
    if match["quote"]:  # How a shell writes a single quote between single quotes.
        return "'"
    return _CONTROL.get(match["character"], match["character"])


def _characters(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")


def from_base64(reading: Reading) -> Iterator[Reading]:
    """Yield what the base64 in a text may mean, of either alphabet, wherever in a run of it that begins.

    The bytes are read as Latin-1, so that each is one character.
    """
    runs = [match.span() for match in _BASE64.finditer(reading.text)]
    for offset in range(4) if runs else ():
        text: list[str] = []
        firsts: list[int] = []
        for start, end in runs:
            content = _bytes(reading.text[start + offset : end])
            text += [content.decode("latin-1"), _BETWEEN_RUNS]
            # Byte 0 is in characters 0 and 1, byte 1 in 1 and 2, byte 2 in 2 and 3.
            firsts += [start + offset + index * 4 // 3 for index in range(len(content))]
            firsts.append(start)
        yield Reading(
            "".join(text), [reading.starts[at] for at in firsts], [reading.ends[at + 1] for at in firsts]
        )


def _bytes(characters: str) -> bytes:
    characters = characters.replace("-", "+").replace("_", "/")
    characters = characters[: len(characters) - (len(characters) % 4 == 1)]
    return base64.b64decode(characters + "=" * (-len(characters) % 4))
