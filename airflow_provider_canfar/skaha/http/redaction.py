"""Masks secrets in what a server says, however it repeats them. Pure.

A server that refuses a request may quote it: as it was, in an HTML page, in JSON, in a URL, in base64 as the
header had it, with backslashes as a program prints it, and with several of these on top of each other. So
the text is *read* in each of these ways (:mod:`~.readings`), and each reading is searched.

What is masked:

- a secret of 8 characters or more, wherever it stands, and any 16 characters in a row of a longer one: a
  server may quote a part. White space does not count, since pages and logs wrap lines;
- each line of a secret of several lines, by the same rules;
- a secret of 4 to 7 characters where it stands alone, not inside another word;
- no secret of up to 3 characters, and no word of up to 5 letters: they are values such as ``1``, ``no``,
  ``true`` and ``debug``, and a message without them could not be read;
- nothing that the request shows openly as well, such as the name of a session or its image.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import takewhile

from airflow_provider_canfar.skaha.http.readings import Reading, decoded, readings
from airflow_provider_canfar.skaha.secret import HIDDEN

_SHORTEST = 4
_LONGEST_WORD = 5

#: Secrets of fewer characters are masked only where they stand alone.
_ANYWHERE = 8

#: Characters in a row of a secret that give too much of it away.
_PIECE = 16

# The beginning of a secret that is too short to be a piece of it may take so many characters, as encodings on
# top of each other make many of one: "%26%23x63%3B" is a "c".
_EDGE = 32 * _PIECE

# White space and marks without a width do not count; a form has "+" for a space.
_IGNORED = re.compile(r"[\s+\x00-\x1f\x7f-\xa0\xad\u200b-\u200f\u2028-\u202f\u2060\ufeff]")

# A longer secret (a program in the arguments) is searched in steps: pieces of twice the length are found.
_LONG = 65_536

# A secret may itself look encoded, such as "p&amp;w"; reading the text then changes it as well.
_OWN_READINGS = 3


class Redactor:
    """Masks secrets in a text.

    >>> Redactor(["p&w<hunter2"]).redact("Refused: p&amp;w&lt;hunter2.")
    'Refused: ***.'

    :param secrets: what must not be seen, each as the request held it.
    :param public: what the request shows openly.
    """

    def __init__(self, secrets: Iterable[str], public: Iterable[str] = ()) -> None:
        shown = [_compact(text) for text in public]
        lines = {line for secret in secrets for line in (secret, *secret.splitlines())}
        forms = {form.strip() for line in lines for form in _forms(line)}
        self._words = [form for form in forms if _is_short_secret(form) and form not in shown]
        compact = {_compact(form) for form in forms}
        self._texts = [
            text for text in compact if len(text) >= _ANYWHERE and not any(text in one for one in shown)
        ]
        self._shown_pieces = {piece for text in shown for piece in _pieces(text)}

    def __repr__(self) -> str:
        return "Redactor()"

    def redact(self, text: str, *, is_cut: bool = False) -> str:
        """Return the text with ``***`` in place of each secret.

        :param is_cut: whether the text went on. Its last characters are then left out: they may be the
            beginning of a secret.
        """
        length = len(text) - _EDGE * is_cut
        if length <= 0 or not (self._words or self._texts):
            return text[: max(0, length)]
        hidden = bytearray(len(text))
        for reading in readings(text):
            for start, end in self._found(reading):
                for at in range(start, end):
                    first, last = reading.starts[at], reading.ends[at]
                    hidden[first:last] = b"\1" * (last - first)
        shown = list(text[:length])
        for run in reversed(list(re.finditer(b"\1+", hidden[:length]))):
            shown[run.start() : run.end()] = [HIDDEN]
        return "".join(shown)

    def _found(self, reading: Reading) -> Iterator[tuple[int, int]]:
        for word in self._words:
            for match in re.finditer(rf"(?<![^\W_]){re.escape(word)}(?![^\W_])", reading.text):
                yield match.span()
        places = [at for at, character in enumerate(reading.text) if not _IGNORED.match(character)]
        compact = "".join(reading.text[at] for at in places)
        pieces = set(_pieces(compact)) - self._shown_pieces
        for text in self._texts:
            for start, end in _common(text, compact, pieces):
                yield places[start], places[end - 1] + 1


def _common(secret: str, text: str, pieces: set[str]) -> Iterator[tuple[int, int]]:
    """Yield where a text has a secret, or at least a piece of it.

    :param pieces: each piece of the text.
    """
    if len(secret) < _PIECE:
        yield from _occurrences(secret, text)
    step = 1 if len(secret) <= _LONG else _PIECE
    pieces = set(pieces)
    for offset in range(0, len(secret) - _PIECE + 1, step):
        piece = secret[offset : offset + _PIECE]
        if piece in pieces:
            pieces.remove(piece)  # All its places are found at once.
            for start, end in _occurrences(piece, text):
                before = _agreement(reversed(text[:start]), reversed(secret[max(0, offset - step) : offset]))
                after = _agreement(text[end:], secret[offset + _PIECE : offset + _PIECE + step])
                yield start - before, end + after


def _agreement(one: Iterable[str], other: Iterable[str]) -> int:
    """Return how many characters two texts have in common at their beginning."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _occurrences(part: str, text: str) -> Iterator[tuple[int, int]]:
    start = text.find(part)
    while start >= 0:
        yield start, start + len(part)
        start = text.find(part, start + 1)


def _pieces(text: str) -> Iterator[str]:
    return (text[start : start + _PIECE] for start in range(len(text) - _PIECE + 1))


def _forms(secret: str) -> Iterator[str]:
    """Yield a secret as a program may have it after it misread the encoding, or read it like the text."""
    yield secret
    if not secret.isascii():
        utf8 = secret.encode("utf-8", "surrogatepass")
        yield utf8.decode("latin-1")
        yield utf8.decode("cp1252", "replace")
        yield re.sub(r"[^\x00-\x7f]", "?", secret)
        yield re.sub(r"[^\x00-\x7f]", "\ufffd", secret)
    if len(secret) <= _LONG:
        reading = Reading.of(secret)
        for _ in range(_OWN_READINGS):
            reading = decoded(reading)
            yield reading.text


def _is_short_secret(text: str) -> bool:
    if not len(text) >= _SHORTEST or len(_compact(text)) >= _ANYWHERE:
        return False
    return not (text.isalpha() and len(text) <= _LONGEST_WORD)


def _compact(text: str) -> str:
    return _IGNORED.sub("", text)
