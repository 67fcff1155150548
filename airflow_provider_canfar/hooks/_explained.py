"""Exceptions of Airflow that carry a message of ours."""

from __future__ import annotations

from typing import TypeVar

E = TypeVar("E", bound=BaseException)


def explained(error: E) -> E:
    """Mark one, so that operators and sensors log it as they do this provider's own errors."""
    vars(error)["is_explained"] = True
    return error
