"""How the server's JSON becomes typed fields: text, quantities, times.

What old servers wrote instead of null (``"<none>"``, ``""``, ``"not-applicable"``) becomes an absent value.
So does whatever cannot be read: no cell makes a whole response unreadable.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

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
_WHOLE = re.compile(r"-?[0-9]{1,18}")
_QUANTITY = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?)\s*(?P<suffix>[A-Za-z]{0,2}?)B?")


class Reported(BaseModel):
    """A report of the server: it may have more fields than we know, and omits those that are null."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


def text(value: Any) -> str:
    """Return a word; ``""`` where the server says that there is none, or has a list or an object.

    >>> text("Running"), text(2026), text("<none>"), text(["Running"])
    ('Running', '2026', '', '')
    """
    if type(value) is str and value.isascii():
        # As nearly all are, of tens of thousands in a long list.
        return "" if value in _ABSENT else value
    if not isinstance(value, str | int | float):
        return ""
    word = str(value)
    if not word.isascii():
        # JSON can write half of a character, which no other text can hold.
        word = word.encode(errors="replace").decode()
    return "" if word in _ABSENT else word


def _url(value: Any) -> str | None:
    return text(value) or None


def quantity(value: Any) -> float | None:
    """Parse cores, or GB of RAM.

    >>> quantity("8.59"), quantity("8G"), quantity("500m"), quantity("<none>")
    (8.59, 8.0, 0.5, None)
    """
    match = _QUANTITY.fullmatch(text(value).strip())
    if match is None:
        return None
    suffix = match["suffix"]
    factor = _FACTORS.get(suffix, _FACTORS.get(suffix.lower()))
    if factor is None:
        return None
    number = round(float(match["number"]) * factor, 9)
    return number if math.isfinite(number) else None


def time_of(value: Any) -> datetime | None:
    """Parse a time; without a zone it is in UTC, as all of the server's times are."""
    if isinstance(value, datetime):
        return value
    try:
        time = datetime.fromisoformat(text(value))
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def whole_number(value: Any) -> int | None:
    """Return the integer part of a number; None where it cannot be read."""
    number = quantity(value)
    return None if number is None else int(number)


def _items(value: Any) -> list[Any]:
    return [*value] if isinstance(value, list | tuple) else []


def _integers(value: Any) -> tuple[int, ...]:
    """Return the whole numbers of a list, and leave out what is none.

    >>> _integers([30123, "30456", None, "astro"])
    (30123, 30456)
    """
    return tuple(int(word) for word in map(text, _items(value)) if _WHOLE.fullmatch(word))


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(filter(None, map(text, _items(value))))


def _quantities(value: Any) -> tuple[float, ...] | None:
    """Return the quantities of a list; None where one of them cannot be read."""
    numbers = [quantity(item) for item in _items(value)]
    if not isinstance(value, list | tuple) or None in numbers:
        return None
    return tuple(number for number in numbers if number is not None)


def _flag(value: Any) -> bool | None:
    return {"true": True, "false": False}.get(text(value).lower())


def section(value: Any) -> Any:
    """Return an object; an empty one where the server has something else."""
    return value if isinstance(value, Mapping | BaseModel) else {}


Text = Annotated[str, BeforeValidator(text)]
Quantity = Annotated[float | None, BeforeValidator(quantity)]
Integer = Annotated[int | None, BeforeValidator(whole_number)]
Url = Annotated[str | None, BeforeValidator(_url)]
Time = Annotated[datetime | None, BeforeValidator(time_of)]
Flag = Annotated[bool | None, BeforeValidator(_flag)]
Integers = Annotated[tuple[int, ...], BeforeValidator(_integers)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_texts)]
Quantities = Annotated[tuple[float, ...] | None, BeforeValidator(_quantities)]
