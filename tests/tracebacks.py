"""What a traceback shows of this provider."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path

import airflow_provider_canfar

PACKAGE = Path(airflow_provider_canfar.__file__).parent


def calls_of_ours(error: BaseException) -> list[str]:
    """Return the functions of this provider in an exception's traceback, and in those shown above it."""
    calls = [call for one in _shown(error) for call in traceback.extract_tb(one.__traceback__)]
    return [call.name for call in calls if PACKAGE in Path(call.filename).parents]


def _shown(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
