"""How a sensor's wait can end other than by its condition."""

from __future__ import annotations

from airflow_provider_canfar.hooks._airflow_compat import AirflowFailException


class ConditionCannotBeMet(AirflowFailException):
    """The condition can no longer be met: the task fails without retries; with ``soft_fail`` it skips."""
