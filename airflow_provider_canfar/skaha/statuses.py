"""The server's words and numbers, read: kinds, states, quantities, times.

What old servers said in place of nothing (``"<none>"``, ``""``, ``"not-applicable"``) is read as nothing.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import BeforeValidator

if TYPE_CHECKING:
    from collections.abc import Mapping


class Kind(StrEnum):
    """What a session is. All but the headless are interactive: one opens them in a browser."""

    HEADLESS = "headless"
    NOTEBOOK = "notebook"
    DESKTOP = "desktop"
    CARTA = "carta"
    CONTRIBUTED = "contributed"
    FIREFLY = "firefly"
    DESKTOP_APP = "desktop-app"


class Status(StrEnum):
    """How a session stands, one member for each meaning whatever a server's word for it.

    Pending may come back after Running (the platform has preempted the session, and starts it from scratch),
    and shows for a moment at the end of a session; Terminating is no end yet (SessionBuilder.withStatus). A
    word never heard is UNKNOWN: neither an end nor a success.
    """

    PENDING = "Pending"
    RUNNING = "Running"
    TERMINATING = "Terminating"
    COMPLETED = "Completed"
    FAILED = "Failed"
    UNKNOWN = "Unknown"

    @classmethod
    def of(cls, word: str | None) -> Status:
        """Read a server's word. ``Succeeded`` and ``Error`` are what servers said until September 2025.

        >>> Status.of("Succeeded"), Status.of("Failed (BackoffLimitExceeded)"), Status.of("Frozen")
        (<Status.COMPLETED: 'Completed'>, <Status.FAILED: 'Failed'>, <Status.UNKNOWN: 'Unknown'>)
        """
        # Servers 1.0.0 to 1.0.3 append the reason in parentheses.
        return _STATUS_WORDS.get((word or "").partition("(")[0].strip().lower(), cls.UNKNOWN)

    @property
    def is_final(self) -> bool:
        """Whether the session has ended and will not change any more."""
        return self in {Status.COMPLETED, Status.FAILED}

    @property
    def is_success(self) -> bool:
        """Whether the session has ended with exit code 0."""
        return self is Status.COMPLETED


#: Our own word for a session that left the platform's list before its end was seen; no server says it.
GONE = "Gone"

_STATUS_WORDS: Mapping[str, Status] = {
    **{status.lower(): status for status in Status},
    "succeeded": Status.COMPLETED,
    "error": Status.FAILED,
}

_ABSENT = frozenset({"", "<none>", "not-applicable"})

# Kubernetes' suffixes, as factors. "G" is what old servers append to RAM in GB.
_FACTORS: Mapping[str, float] = {
    "": 1.0,
    "m": 1e-3,  # Thousandths of a core.
    "k": 1e-6,
    "ki": 2**10 / 1e9,
    "M": 1e-3,
    "mi": 2**20 / 1e9,
    "g": 1.0,
    "gi": 2**30 / 1e9,
    "t": 1e3,
    "ti": 2**40 / 1e9,
}
_QUANTITY = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?)\s*(?P<suffix>[A-Za-z]{0,2}?)B?")


def text(value: Any) -> str:
    """Read a word; nothing where the server says that there is none."""
    return "" if value is None or str(value) in _ABSENT else str(value)


def _url(value: Any) -> str | None:
    return text(value) or None


def _quantity(value: Any) -> float | None:
    """Read cores, or GB of RAM.

    >>> _quantity("8.59"), _quantity("8G"), _quantity("500m"), _quantity("<none>")
    (8.59, 8.0, 0.5, None)
    """
    match = _QUANTITY.fullmatch(text(value).strip())
    if match is None:
        return None
    suffix = match["suffix"]
    factor = _FACTORS.get(suffix, _FACTORS.get(suffix.lower()))
    return None if factor is None else round(float(match["number"]) * factor, 9)


def _time(value: Any) -> datetime | None:
    """Read a time of the server; one without a zone is in UTC, as all of its times are."""
    if isinstance(value, datetime):
        return value
    try:
        time = datetime.fromisoformat(text(value))
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _whole(value: Any) -> int | None:
    number = _quantity(value)
    return None if number is None else int(number)


def _several(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else ()


Text = Annotated[str, BeforeValidator(text)]
Quantity = Annotated[float | None, BeforeValidator(_quantity)]
Whole = Annotated[int | None, BeforeValidator(_whole)]
Url = Annotated[str | None, BeforeValidator(_url)]
Time = Annotated[datetime | None, BeforeValidator(_time)]
T = TypeVar("T")
Tuple = Annotated[tuple[T, ...], BeforeValidator(_several)]
