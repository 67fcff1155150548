"""How a task goes about its sessions, in words of its operator; and what its operator's words must be."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from airflow_provider_canfar.skaha.errors import ServiceBusy, SpecError
from airflow_provider_canfar.task_sessions.wait import RECORD_WITHIN

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.errors import RequestError
    from airflow_provider_canfar.task_sessions.batch import Batch

#: What may become of sessions that have ended, and what a clear may mean.
ON_FINISH_ACTIONS = ("keep", "destroy", "destroy_succeeded")
ON_CLEAR = ("fresh", "resume")


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a task goes about it, in words of its operator.

    :param poll_interval: seconds between two looks at the platform.
    :param startup_timeout: seconds within which a session must have started; None: it may queue for ever.
    :param logging_interval: seconds between two looks at the log of a session that runs; None not to follow logs.
    :param record_within: seconds within which an end is recorded, before the platform forgets it.
    :param max_log_bytes: how much of each replica's log is shown; None: all of it.
    :param on_finish_action: what becomes of sessions that have ended: ``keep``, ``destroy``, ``destroy_succeeded``.
    :param destroy_on_kill: whether live sessions are destroyed when the task is killed or out of time.
    :raises SpecError: for an ``on_finish_action`` that is none.
    """

    poll_interval: float = 15.0
    startup_timeout: float | None = None
    logging_interval: float | None = None
    record_within: float = RECORD_WITHIN
    max_log_bytes: int | None = None
    on_finish_action: str = "keep"
    destroy_on_kill: bool = True

    def __post_init__(self) -> None:
        one_of("on_finish_action", self.on_finish_action, ON_FINISH_ACTIONS)


def one_of(name: str, value: str, words: Collection[str]) -> str:
    """Return the value if it is one of the words that there are.

    :raises SpecError: for any other: it would be taken for one of them, and silently.
    """
    if value not in words:
        raise SpecError(f"{name}={value!r} is refused: there are {', '.join(map(repr, words))}. Choose one.")
    return value


def is_waited_out(error: RequestError, batch: Batch) -> bool:
    """Tell whether a question to the platform failed because of an outage, which is a wait and not a failure.

    Where nothing has been launched yet, it may as well be a mistake in the connection; but not where the
    platform, or the proxy in front of it, says itself that it is away.
    """
    says_so = isinstance(error, ServiceBusy) or error.status in {
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
    return error.retryable and (says_so or bool(batch.unsettled()) or batch.try_number > 1)


def replica_count(value: Any) -> int:
    """Read how many replicas there are; a template renders a number as text.

    Whether so many are taken is decided where the spec is made.

    :raises SpecError: for what is no whole number.

    >>> replica_count("20"), replica_count(3)
    (20, 3)
    """
    try:
        count = int(value)
        if isinstance(value, bool) or (isinstance(value, float) and value != count):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise SpecError(f"replicas={value!r} is refused: it must be a whole number, from 1 on.") from None
    return count
