"""The wait of a task whose replicas the account's limit holds back: until there is room for more.

It is the wait for a headless session (:mod:`airflow_provider_canfar.task_sessions.task_wait`) with one more
reason to wake the worker.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_canfar.task_sessions.account_limit import AccountLimit
from airflow_provider_canfar.task_sessions.task_wait import SLOT_DELAY, TaskWait
from airflow_provider_canfar.task_sessions.wait_spec import WaitSpec, WakeEvent, WakeReason

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.models import Session
    from airflow_provider_canfar.skaha.polling.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class AccountWaitSpec(WaitSpec):
    """What the wait of a task with an account limit is for, while replicas are queued.

    :param account: the limit, as :meth:`.account_limit.AccountLimit.to_json` writes it.
    :param max_active: how many of the task's own may be alive; None for no limit.
    :param worth_waking: how many more it must be possible to launch for the worker to be woken at once. Fewer
        wait a moment for others.
    """

    account: Mapping[str, Any] = field(default_factory=dict)
    max_active: int | None = None
    worth_waking: int = 1


class AccountTaskWait(TaskWait):
    """What one wait of a task with an account limit has seen so far.

    :param spec: what it is for.
    """

    spec: AccountWaitSpec

    def __init__(self, spec: AccountWaitSpec) -> None:
        super().__init__(spec)
        self._limit = AccountLimit.from_json(spec.account)
        self.choose = partial(self._limit.counts, key=spec.key)
        self._counted: dict[str, Session] = {}
        self._has_listed = False
        self._room_since: float | None = None

    @property
    def is_held(self) -> bool:
        """Whether there is nothing to wait for but room in the account."""
        return not self.spec.sessions

    def observe(self, snapshot: Snapshot) -> list[str]:
        """Take in what a poll showed, and return a line for each change."""
        lines = super().observe(snapshot)
        if snapshot.is_complete:
            self._counted = {}
        for session in snapshot.sessions:
            if self._limit.counts(session, self.spec.key):
                self._counted[session.id] = session
            else:
                self._counted.pop(session.id, None)
        if snapshot.is_complete and not self._has_listed:
            self._has_listed = True
            lines.append(
                f"Replicas are queued. {self._limit}; the account has {len(self._counted)} sessions."
            )
        has_room = self._has_listed and self._room() > 0
        self._room_since = (self._room_since or snapshot.at) if has_room else None
        return lines

    def _room(self) -> int:
        """Return how many more replicas could be launched now."""
        ended = self.tracker.ended.keys() | self.tracker.gone
        own = [session_id for session_id in self.spec.sessions if session_id not in ended]
        unlisted = sum(session_id not in self._counted for session_id in own)
        room = self._limit.room(self._counted.values(), self.spec.key, unlisted=unlisted)
        return room if self.spec.max_active is None else min(room, self.spec.max_active - len(own))

    def wake_at(self) -> float | None:
        """Return when there is something to do even if nothing changes, in seconds since the epoch."""
        times = [super().wake_at()]
        if not self._has_listed:
            times.append(0.0)  # With each poll: one for ended sessions does not show the others.
        if self._room_since is not None:
            times.append(self._room_since + SLOT_DELAY)
        return min((time for time in times if time is not None), default=None)

    def wake(self, now: float) -> WakeEvent | None:
        """Decide whether to wake the worker now."""
        wake = super().wake(now)
        if wake is not None or self._room_since is None:
            return wake
        is_worth_it = self._room() >= self.spec.worth_waking or now - self._room_since >= SLOT_DELAY
        return self.wake_event(WakeReason.SLOTS) if is_worth_it else None
