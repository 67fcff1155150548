"""How the server's JSON becomes typed fields: text, quantities, times.

What old servers wrote instead of null (``"<none>"``, ``""``, ``"not-applicable"``) becomes an absent value.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Mapping

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


class Reported(BaseModel):
    """A report of the server: it may have more fields than we know, and omits those that are null."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


def text(value: Any) -> str:
    """Return a word; ``""`` where the server says that there is none."""
    return "" if value is None or str(value) in _ABSENT else str(value)


def _url(value: Any) -> str | None:
    return text(value) or None


def _quantity(value: Any) -> float | None:
    """Parse cores, or GB of RAM.

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
    """Parse a time; without a zone it is in UTC, as all of the server's times are."""
    if isinstance(value, datetime):
        return value
    try:
        time = datetime.fromisoformat(text(value))
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _integer(value: Any) -> int | None:
    number = _quantity(value)
    return None if number is None else int(number)


def _items(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else ()


Text = Annotated[str, BeforeValidator(text)]
Quantity = Annotated[float | None, BeforeValidator(_quantity)]
Integer = Annotated[int | None, BeforeValidator(_integer)]
Url = Annotated[str | None, BeforeValidator(_url)]
Time = Annotated[datetime | None, BeforeValidator(_time)]
T = TypeVar("T")
Items = Annotated[tuple[T, ...], BeforeValidator(_items)]
