"""What one poll of the platform shows a subscriber. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.models import Session


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A subscriber's sessions at one time.

    :param at: seconds since the epoch.
    :param sessions: the subscriber's sessions in this poll; each with only its id, name, kind, status, times
        and connect URL.
    :param fault: why the platform did not respond; None if it did.
    :param is_complete: whether the poll listed every session, so that one which is not here is missing. A
        poll for ended sessions lists no others.
    :param previous_at: when the platform responded to the poll before this one, in seconds since the epoch.
        Changes in this one are not older; None if that is unknown.
    """

    at: float
    sessions: tuple[Session, ...] = ()
    fault: Exception | None = None
    is_complete: bool = True
    previous_at: float | None = None
