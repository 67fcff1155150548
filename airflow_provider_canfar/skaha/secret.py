"""Text that is not shown where variables are: error reporters print the variables of each frame. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, SupportsIndex

#: What is shown in place of a secret.
HIDDEN = "***"

# What is nested deeper is refused elsewhere.
_DEEPEST = 100


class Secret(str):
    """A string whose repr does not show it; a string like any other for whatever needs its content.

    Frames hold secrets while a call fails, and reporters such as Sentry, rich and Airflow's own structured
    tracebacks print the repr of what a frame holds. What is made of it (``+``, ``encode``) is plain again.

    >>> {"password": Secret("hunter2")}
    {'password': '***'}
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(HIDDEN)

    def __getitem__(self, key: SupportsIndex | slice) -> Secret:
        # Reporters shorten a long text before they print it.
        return Secret(super().__getitem__(key))

    def strip(self, chars: str | None = None, /) -> Secret:
        """Return it without the white space around it."""
        return Secret(super().strip(chars))


def concealed(value: Any) -> Any:
    """Return the same value with each string in it as a :class:`Secret`; the names in a mapping stay plain.

    >>> concealed({"timeout": 60, "client": {"secrets": ["a", "b"]}})
    {'timeout': 60, 'client': {'secrets': ['***', '***']}}
    """
    return _concealed(value, {}, 0)


def _concealed(value: Any, known: dict[int, Any], depth: int) -> Any:
    """Conceal a part of a value.

    :param known: what has become of each list and mapping, which may be in several places, or in itself.
    """
    if isinstance(value, str):
        return Secret(str.__str__(value))  # An enum's own __str__ returns something else.
    if not isinstance(value, Mapping | list | tuple) or depth > _DEEPEST:
        return value
    if id(value) in known:
        return known[id(value)]
    if isinstance(value, Mapping):
        mapping = known[id(value)] = {}
        mapping.update({name: _concealed(one, known, depth + 1) for name, one in value.items()})
        return mapping
    elements: list[Any] = []
    known[id(value)] = elements
    elements += [_concealed(one, known, depth + 1) for one in value]
    return elements


def described(value: object) -> str:
    """Describe a value without quoting it, for a message about the wrong one.

    >>> described("eyJhbGciOi"), described(5), described("")
    ('text of 10 characters', 'int', 'empty text')
    """
    if isinstance(value, str):
        return f"text of {len(value)} characters" if value else "empty text"
    return type(value).__name__
