"""What one poll of the platform shows a subscriber. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.models import Session


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one look showed to one who waits.

    :param at: seconds since the epoch.
    :param sessions: those that are waited for, as far as the look has shown them; of a session only its id,
        name, kind, status, times and connect URL.
    :param fault: why there was no answer; None where there was one.
    :param is_complete: whether every session would have been shown, so that one which was not is missing. A look
        for ended sessions shows no others.
    :param previous_at: when the look before this one was answered, in seconds since the epoch. What is news in
        this one is no older; None where nobody knows.
    """

    at: float
    sessions: tuple[Session, ...] = ()
    fault: Exception | None = None
    is_complete: bool = True
    previous_at: float | None = None
