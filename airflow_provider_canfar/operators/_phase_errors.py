"""Two ways in which a phase of a task ends that are no verdict about its sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from airflow_provider_canfar.skaha.errors import CanfarError
from airflow_provider_canfar.task_sessions.report import unsettled_ids

if TYPE_CHECKING:
    from airflow_provider_canfar.task_sessions.batch import Batch


class CredentialRefused(CanfarError):
    """The platform refused the credential while the task waited for its sessions. They are still running."""

    retryable = True

    @classmethod
    def during(cls, message: str, batch: Batch) -> Self:
        """Say which sessions are still running.

        :param message: what the platform said.
        """
        return cls(
            f"{message} The sessions of this task are still running: {unsettled_ids(batch)}. "
            "Renew the credential; a retry of this task then adopts them."
        )


class Killed(Exception):
    """The task was killed while its worker was running."""
