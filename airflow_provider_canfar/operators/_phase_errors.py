"""How a phase of a task ends other than by a verdict about its sessions, and what then becomes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from airflow_provider_canfar.hooks._airflow_compat import AirflowFailException, AirflowSkipException
from airflow_provider_canfar.operators._errors import shown
from airflow_provider_canfar.skaha.errors import AuthenticationError, CanfarError, SessionError
from airflow_provider_canfar.task_sessions.failure_report import unsettled_ids

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_canfar.task_sessions.batch import Batch


#: Errors that say how the task ends, and after which its sessions end.
VERDICTS = (SessionError, AirflowFailException, AirflowSkipException)


class CredentialRefused(AuthenticationError):
    """The platform refused the credential while sessions of the task ran, or may have. They run on."""

    retryable = True

    @classmethod
    def during(cls, message: str, batch: Batch, **facts: Any) -> Self:
        """Say which sessions are still running, and what becomes of them.

        :param message: what the platform said.
        :param facts: the attributes of its refusal.
        """
        running = f"The sessions of this task are still running: {unsettled_ids(batch)}."
        if not batch.unsettled():  # In a new try, those of the tries before it are not known yet.
            running = "Sessions of earlier tries of this task may still be running."
        relaunched = "launches all replicas again (with on_clear='resume', those without success)"
        if batch.replicas == 1:
            relaunched = "launches another"
        return cls(
            f"{message} {running} Renew the credential; a retry of this task, if one is left, then adopts "
            f"them. Clearing the task destroys them and {relaunched}.",
            **facts,
        )


class Killed(Exception):
    """The worker was stopped while it was running the task."""


class Superseded(Exception):
    """Airflow has taken the task from its worker, whose heartbeats it had missed, to run it again."""


#: The states of such a task.
RETRIED = frozenset({"up_for_retry", "scheduled", "queued"})

#: The states of a task that is still to finish. When somebody marks or clears it, or its DAG run times out,
#: its state changes before its worker is stopped.
NOT_ENDED = RETRIED | {"running"}


def require_running(state: str | None) -> None:
    """Fail a task that was killed while it launched, before it defers.

    The worker learns of a kill at its next heartbeat. Were it to defer before that, Airflow would refuse the
    deferral, and never call an on_kill.

    :param state: the task's state in Airflow; None if it is unknown.
    :raises Superseded: when Airflow runs it again.
    :raises Killed: when it is not running otherwise.
    """
    if state in RETRIED:
        raise Superseded(f"Airflow has given up on this try; the task is {state}.")
    if state not in (None, "running"):
        raise Killed(f"The task was marked {state} while it launched its sessions.")


def retry_follows(context: Context, error: BaseException | None = None) -> bool:
    """Whether Airflow runs the task again if this try fails: its API server's _is_eligible_to_retry.

    :param error: what fails it, for the task's retry policy (Airflow 3.3); None where Airflow asks no policy,
        as it hears nothing from the worker.
    """
    ti: Any = context["ti"]
    counts = bool(ti.max_tries and (ti.try_number or 0) <= ti.max_tries)
    policy = getattr(getattr(ti, "task", None), "retry_policy", None)
    if not counts or policy is None or error is None:
        return counts
    seen = shown(error) if isinstance(error, CanfarError) else error
    try:
        decision = policy.evaluate(
            exception=seen, try_number=ti.try_number, max_tries=ti.max_tries, context=context
        )
    except Exception:  # noqa: BLE001 - Airflow, too, then goes by the number of tries
        return counts
    return bool(decision.action.value != "fail")


def leaves_to_retry(error: BaseException) -> bool:
    """Whether the task's sessions run on after an error, for a retry to adopt them.

    They do where the error is not theirs: Airflow's API is away, a disk is full, a value cannot be
    serialized. A verdict ends them, and so do an error that a retry cannot help and Ctrl-C.
    """
    if not isinstance(error, Exception) or isinstance(error, VERDICTS):
        return False
    return bool(getattr(error, "retryable", True))
