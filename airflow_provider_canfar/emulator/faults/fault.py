"""What all kinds of fault have in common."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any


@dataclass(kw_only=True)
class Fault:
    """One kind of fault, and the requests that it affects.

    :param rate: the share of the matching requests that it affects, 0 to 1.
    :param count: how many requests it affects before it is used up; unlimited by default.
    :param method: affects only requests of this method.
    :param path: a regular expression, searched for in paths such as ``/skaha/v1/session``; affects only
        the requests whose path it is found in.
    :param fired: how many requests it has affected.
    """

    rate: float = 1.0
    count: int | None = None
    method: str | None = None
    path: str = ""
    fired: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        """Check the arguments, which may come from JSON.

        :raises ValueError: for a value that no request could be handled with.
        """
        check_type("path", self.path, str, "a regular expression")
        check_type("count", self.count, (int, type(None)), "a number of requests or None")
        check_type("rate", self.rate, (int, float), "a number from 0 to 1")
        try:
            re.compile(self.path)
        except re.error as error:
            raise ValueError(f"'path' must be a regular expression: {error}") from error

    @classmethod
    def kind(cls) -> str:
        """Return the kind's name, the class's in snake case."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    @property
    def is_used_up(self) -> bool:
        """Whether it has affected as many requests as it may."""
        return self.count is not None and self.fired >= self.count

    def matches(self, method: str, path: str) -> bool:
        """Return whether it may affect a request."""
        return (
            not self.is_used_up and self.method in (None, method) and re.search(self.path, path) is not None
        )


def check_choice(name: str, value: Any, choices: Collection[str]) -> None:
    """Check that a value is one of the choices.

    :raises ValueError: when it is not.
    """
    if value not in choices:
        raise ValueError(f"{name!r} must be one of {', '.join(choices)}, not {value!r}")


def check_type(name: str, value: Any, types: type | tuple[type, ...], meaning: str) -> None:
    """Check a value's type.

    :param meaning: what it has to be, in words.
    :raises ValueError: for another type.
    """
    if not isinstance(value, types):
        raise ValueError(f"{name!r} must be {meaning}, not {value!r}")


def check_texts(name: str, value: Any) -> None:
    """Check that a value is a list of texts.

    :raises ValueError: when it is not.
    """
    check_type(name, value, (list, tuple), "a list of texts")
    for item in value:
        check_type(name, item, str, "a list of texts")
