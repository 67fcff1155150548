"""The encodings in which a server's message may repeat what it was sent. Pure."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable, Mapping
from urllib.parse import quote


def _numeric_entities(text: str) -> str:
    return "".join(f"&#{ord(character)};" for character in text)


def _backslashes(text: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in text.encode())


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


#: What encodes a text, by the encoding's name.
ENCODINGS: Mapping[str, Callable[[str], str]] = {
    "plain": str,
    "html": html.escape,
    "numeric_entities": _numeric_entities,
    "json": json.dumps,
    "url": lambda text: quote(text, safe=""),
    "base64": _base64,
    "backslashes": _backslashes,
}


def encoded(text: str, number: int) -> str:
    """Return a text in one of the encodings.

    :param number: of the encoding, from 0; after the last one follows the first.

    >>> [encoded("a<b", number) for number in (1, 4)]
    ['a&lt;b', 'a%3Cb']
    """
    return [*ENCODINGS.values()][number % len(ENCODINGS)](text)
