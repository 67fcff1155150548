"""The status that the service shows for a session, in the words of one of its versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_canfar.emulator.runtime.sessions import State

if TYPE_CHECKING:
    from airflow_provider_canfar.emulator.runtime.sessions import Session


def shown_status(session: Session, words: str) -> str:
    """Return a session's status.

    :param words: one of *config.STATUS_WORDS*.
    """
    status = session.status
    match words, status:
        case "documented" | "pod_phases", State.COMPLETED.status:
            return "Succeeded"
        case "documented", State.FAILED.status:
            return "Error"
        case "job_conditions", State.FAILED.status:
            # The type and the reason of the Job's latest condition (*SessionBuilder.withStatus* of 1.0.0).
            return f"Failed ({_reason(session)})"
        case "job_conditions", State.TERMINATING.status if session.deleted is None:
            return f"FailureTarget ({_reason(session)})"
    return status


def _reason(session: Session) -> str:
    """Return why the Job has failed; a headless one has a backoffLimit of 0."""
    return "DeadlineExceeded" if session.exceeded_deadline else "BackoffLimitExceeded"
