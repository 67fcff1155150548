"""What a traceback shows of this provider."""

from __future__ import annotations

import traceback
from pathlib import Path

import airflow_provider_canfar

PACKAGE = Path(airflow_provider_canfar.__file__).parent


def calls_of_ours(error: BaseException) -> list[str]:
    """Return the functions of this provider in an exception's traceback."""
    calls = traceback.extract_tb(error.__traceback__)
    return [call.name for call in calls if PACKAGE in Path(call.filename).parents]
