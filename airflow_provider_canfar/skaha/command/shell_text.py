"""Text of POSIX shell, and base64 of it in pieces that Linux and the server accept."""

from __future__ import annotations

import base64

# Linux accepts 131,071 bytes in one argument or variable (MAX_ARG_STRLEN); the rest is a margin.
_CHUNK_LENGTH = 100_000


def quoted(text: str) -> str:
    r"""Quote a text for a POSIX shell.

    Between single quotes, every character but the single quote is itself (POSIX.1-2017, XCU 2.2.2).

    >>> quoted("it's")
    "'it'\\''s'"
    """
    return "'" + text.replace("'", "'\\''") + "'"


def base64_of(text: str) -> str:
    """Return the base64 of a text."""
    return base64.b64encode(text.encode()).decode()


def unpadded_base64_of(script: str) -> str:
    """Return the base64 of a script without ``=`` at its end, with spaces behind the script instead.

    The server drops a variable with a ``=`` in its value (PostAction.getHeadlessImageBundle).
    """
    return base64_of(script + " " * (-len(script.encode()) % 3))


def chunks_of(text: str) -> list[str]:
    """Cut a text into pieces of about the same length.

    Of different lengths, the last could be a short one that kubectl reads as a number, such as ``0o17``.
    """
    count = -(-len(text) // _CHUNK_LENGTH)
    length = -(-len(text) // count)
    return [text[start : start + length] for start in range(0, len(text), length)]
