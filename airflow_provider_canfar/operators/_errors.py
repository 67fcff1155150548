"""Which of this provider's errors an Airflow task retries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def airflow_errors() -> Iterator[None]:
    """Fail the task without retries on an error that a retry cannot help.

    :raises AirflowFailException: for an invalid spec, a refused credential, and a request that the platform
        rejects. Other errors pass through.
    """
    from airflow_provider_canfar.hooks._airflow_compat import AirflowFailException
    from airflow_provider_canfar.skaha.errors import CanfarError

    try:
        yield
    except CanfarError as error:
        if error.retryable:
            raise
        raise AirflowFailException(f"{type(error).__name__}: {error}") from error
