"""How a task goes about its sessions: its operator's arguments, once they are known. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_canfar.task_sessions.concurrency import LAUNCH_CONCURRENCY
from airflow_provider_canfar.task_sessions.wait_spec import MAX_LOGGED_REPLICAS, RECORD_WITHIN

if TYPE_CHECKING:
    from airflow_provider_canfar.task_sessions.batch import Outcome


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a task goes about its sessions.

    :param poll_interval: seconds between two polls of the platform.
    :param startup_timeout: seconds within which a session must have started; None: it may queue for ever.
    :param logging_interval: seconds between two reads of the log of a running session; None not to follow
        logs.
    :param max_logged_replicas: how many logs are followed at once.
    :param record_within: seconds within which an end is recorded, before the platform forgets it.
    :param max_log_bytes: how much of each replica's log is shown; None: all of it.
    :param launch_concurrency: how many creates are under way at once, at most.
    :param on_finish_action: what becomes of sessions that have ended: ``keep``, ``destroy``,
        ``destroy_succeeded``.
    :param execution_timeout: the task's, for a message.
    :param on_clear: ``resume`` if a clear keeps what has succeeded, else ``fresh``.
    :param destroy_on_kill: whether live sessions are destroyed when somebody ends the task, or it times out.
    """

    poll_interval: float = 15.0
    startup_timeout: float | None = None
    logging_interval: float | None = None
    max_logged_replicas: int = MAX_LOGGED_REPLICAS
    record_within: float = RECORD_WITHIN
    max_log_bytes: int | None = None
    launch_concurrency: int = LAUNCH_CONCURRENCY
    on_finish_action: str = "keep"
    execution_timeout: timedelta | None = None
    on_clear: str = "fresh"
    destroy_on_kill: bool = True

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Self:
        """Take from an operator's parsed arguments those that say how to go about its sessions."""
        known = {one.name for one in fields(cls)}
        return cls(**{name: value for name, value in arguments.items() if name in known})

    @property
    def resumes(self) -> bool:
        """Whether a clear keeps what has succeeded."""
        return self.on_clear == "resume"

    def destroys(self, outcome: Outcome) -> bool:
        """Whether to destroy a session that has ended."""
        return self.on_finish_action == "destroy" or (
            self.on_finish_action == "destroy_succeeded" and outcome.succeeded
        )
