"""How this provider's errors end an Airflow task."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def airflow_errors() -> Iterator[None]:
    """Let an error that a retry cannot help fail the task for good, and any other leave it its retries.

    :raises AirflowFailException: for a wrong spec, a refused credential, and what the platform rejects.
    """
    from airflow.providers.common.compat.sdk import AirflowFailException

    from airflow_provider_canfar.skaha.errors import CanfarError

    try:
        yield
    except CanfarError as error:
        if error.retryable:
            raise
        raise AirflowFailException(f"{type(error).__name__}: {error}") from error
