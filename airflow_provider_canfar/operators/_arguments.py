"""Checking the arguments of operators, before the first request. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from airflow_provider_canfar.skaha.errors import SpecError

#: What may become of sessions that have ended, and what a clear may mean.
ON_FINISH_ACTIONS = ("keep", "destroy", "destroy_succeeded")
ON_CLEAR = ("fresh", "resume")


def one_of(name: str, value: str, choices: Collection[str]) -> str:
    """Return the value if it is one of the choices.

    :raises SpecError: for any other value.
    """
    if value not in choices:
        raise SpecError(f"Invalid {name} {value!r}: must be one of {', '.join(map(repr, choices))}.")
    return value


def replica_count(value: Any) -> int:
    """Parse the number of replicas; a template renders a number as text.

    Whether the platform takes that many is checked where the spec is made.

    :raises SpecError: for anything except a whole number.

    >>> replica_count("20"), replica_count(3)
    (20, 3)
    """
    try:
        count = int(value)
        if isinstance(value, bool) or (isinstance(value, float) and value != count):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise SpecError(f"Invalid replicas {value!r}: must be a whole number, 1 or more.") from None
    return count
