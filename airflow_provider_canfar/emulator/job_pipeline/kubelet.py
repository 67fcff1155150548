"""How the kubelet expands ``$(NAME)`` in a container's command, arguments and environment."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

REFERENCE = re.compile(r"\$(?:(?P<dollar>\$)|\((?P<name>[^)]*)\)|.)", re.DOTALL)


def expand(text: str, known: Mapping[str, str]) -> str:
    """Expand ``$(NAME)`` if the name is known, and ``$$`` to ``$``, anywhere in a text, as Kubernetes does.

    >>> expand("$(A) $(B) $A $$(A) $$ $", {"A": "x"})
    'x $(B) $A $(A) $ $'
    """

    def expanded(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        name = match["name"]
        return match[0] if name is None else known.get(name, match[0])

    return REFERENCE.sub(expanded, text)


def expand_environment(variables: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Expand each variable's value with the variables before it, as the kubelet does."""
    known: dict[str, str] = {}
    for name, value in variables:
        known[name] = expand(value, known)
        yield name, known[name]
