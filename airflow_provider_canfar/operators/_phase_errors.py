"""How a phase of a task ends other than by a verdict about its sessions, and what then becomes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from airflow_provider_canfar.hooks._airflow_compat import AirflowFailException
from airflow_provider_canfar.skaha.errors import CanfarError, SessionError
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


def require_running(state: str | None) -> None:
    """Fail a task that was killed while it launched, before it defers.

    The worker learns of a kill at its next heartbeat. Were it to defer before that, Airflow would refuse the
    deferral, and never call an on_kill.

    :param state: the task's state in Airflow; None if it is unknown.
    :raises Killed: when it is not running.
    """
    if state not in (None, "running"):
        raise Killed(f"The task was marked {state} while it launched its sessions.")


def retry_follows(ti: Any) -> bool:
    """Whether Airflow runs the task again if this try fails: its API server's _is_eligible_to_retry.

    A retry policy may decide otherwise, and only once the task has failed.

    :param ti: the running task instance, ``context["ti"]``.
    """
    has_policy = bool(getattr(getattr(ti, "task", None), "retry_policy", None))
    return bool(ti.max_tries) and (ti.try_number or 0) <= ti.max_tries and not has_policy


def leaves_to_retry(error: BaseException) -> bool:
    """Whether the task's sessions run on after an error, for a retry to adopt them.

    They do where the error is not theirs: Airflow's API is away, a disk is full, a value cannot be
    serialized. A verdict ends them, and so do an error that a retry cannot help and Ctrl-C.
    """
    if not isinstance(error, Exception) or isinstance(error, SessionError | AirflowFailException):
        return False
    return bool(getattr(error, "retryable", True))
