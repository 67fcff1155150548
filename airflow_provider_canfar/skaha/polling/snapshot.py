"""What those who wait are shown, and what is said to people of an outage. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.models import Session

#: Seconds between two lines that say that an outage goes on.
TELL_EVERY = 300.0


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


class OutageLog:
    """What a task's log is told of an outage: a line when it begins, one every five minutes, one at its end.

    >>> outage_log = OutageLog()
    >>> outage_log.update(Snapshot(1000.0, fault=OSError("no route")))
    'The platform does not answer; what is waited for is waited for all the same. no route'
    >>> outage_log.update(Snapshot(1060.0, fault=OSError("no route")))
    >>> outage_log.update(Snapshot(1090.0))
    'The platform answers again, after 90 s.'
    """

    def __init__(self) -> None:
        self._since: float | None = None
        self._told_at = 0.0

    def update(self, snapshot: Snapshot) -> str | None:
        """Take in what a look showed, and return a sentence where there is one to tell."""
        since = self._since
        if snapshot.fault is None:
            self._since = None
            return (
                None if since is None else f"The platform answers again, after {snapshot.at - since:.0f} s."
            )
        if since is not None and snapshot.at - self._told_at < TELL_EVERY:
            return None
        self._told_at = snapshot.at
        if since is not None:
            return f"The platform has not answered for {snapshot.at - since:.0f} s. {snapshot.fault}"
        self._since = snapshot.at
        return (
            f"The platform does not answer; what is waited for is waited for all the same. {snapshot.fault}"
        )
