"""Parsing arguments of operators and sensors: literals with the DAG file, templates before a request.

Each parser takes the argument's name for its message, and a value that may be text, as a template renders it.
Nothing heavy is imported here: DAG files are parsed all day.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from datetime import timedelta
from difflib import get_close_matches
from typing import Any

from airflow_provider_canfar.skaha.errors import SpecError

#: What may become of sessions that have ended, and what a clear may mean.
ON_FINISH_ACTIONS = ("keep", "destroy", "destroy_succeeded")
ON_CLEAR = ("fresh", "resume")

#: What a template renders where its author means *left out*: ``{{ none }}``, or an ``if`` without an
#: ``else``.
ABSENT = (None, "", "None")

_TRUE = ("true", "t", "yes", "y", "on", "1")
_FALSE = ("false", "f", "no", "n", "off", "0")


def is_rendered_later(value: Any) -> bool:
    """Whether Airflow renders the value before the task runs: a template, or another task's output.

    >>> is_rendered_later("{{ params.n }}"), is_rendered_later("3"), is_rendered_later(3)
    (True, False, False)
    """
    if isinstance(value, str):
        return "{{" in value or "{%" in value
    return hasattr(value, "resolve") and hasattr(value, "iter_references")  # An XComArg, of whatever release.


def one_of(name: str, value: Any, choices: Collection[str]) -> str:
    """Return the value if it is one of the choices.

    :raises SpecError: for any other value.
    """
    if value not in choices:
        raise SpecError(f"Invalid {name} {value!r}: must be one of {', '.join(map(repr, choices))}.")
    return str(value)


def seconds(name: str, value: Any, *, minimum: float = 0.0) -> float:
    """Return a duration in seconds.

    >>> seconds("poll_interval", timedelta(minutes=1)), seconds("poll_interval", "15")
    (60.0, 15.0)

    :param value: a timedelta, or a number of seconds.
    :raises SpecError: for anything else, and below the minimum.
    """
    duration = value.total_seconds() if isinstance(value, timedelta) else _number(value)
    if duration is None or duration < minimum:
        least = f"{minimum:g} or more" if minimum else "0 or more"
        raise SpecError(f"Invalid {name} {value!r}: must be seconds, {least}, or a timedelta.")
    return duration


def whole_number(name: str, value: Any, *, minimum: int) -> int:
    """Return a whole number.

    >>> whole_number("replicas", "20", minimum=1), whole_number("replicas", 3.0, minimum=1)
    (20, 3)

    :raises SpecError: for anything else, and below the minimum.
    """
    number = _number(value)
    if number is None or number != int(number) or number < minimum:
        raise SpecError(f"Invalid {name} {value!r}: must be a whole number, {minimum} or more.")
    return int(number)


def number(name: str, value: Any, *, minimum: float = 0.0) -> float:
    """Return a number.

    :raises SpecError: for anything else, and below the minimum.
    """
    parsed = _number(value)
    if parsed is None or parsed < minimum:
        raise SpecError(f"Invalid {name} {value!r}: must be a number, {minimum:g} or more.")
    return parsed


def flag(name: str, value: Any) -> bool:
    """Return a flag; a template renders it as text.

    >>> flag("fail_fast", "False"), flag("fail_fast", True)
    (False, True)

    :raises SpecError: for anything except True and False, and their usual spellings.
    """
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower() if isinstance(value, str | int) else None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise SpecError(f"Invalid {name} {value!r}: must be True or False.")


def unknown_argument(name: str, known: Collection[str], also_called: dict[str, str]) -> str:
    """Return what to say of an argument that an operator does not have, with the one that was meant.

    >>> unknown_argument("replica", ["replicas", "image"], {})
    "Unknown argument 'replica'. Did you mean 'replicas'?"

    :param also_called: what other operators call an argument -> what it is called here.
    """
    meant = [also_called[name]] if name in also_called else get_close_matches(name, list(known), 1, 0.7)
    hint = f" Did you mean {meant[0]!r}?" if meant else ""
    return f"Unknown argument {name!r}.{hint}"


def _number(value: Any) -> float | None:
    """Return a finite number, given as one or as text; None for anything else, booleans among it."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and not re.fullmatch(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", value):
        return None
    try:
        parsed = float(value)
    except OverflowError:
        return None
    return parsed if math.isfinite(parsed) else None
