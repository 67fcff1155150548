"""The wait of an interactive task: for a free slot, until its session can be opened, while it is kept alive.

It is the wait for a headless session (:mod:`airflow_provider_canfar.task_sessions.task_wait`) with more
reasons to wake the worker.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_canfar.skaha.errors import AuthenticationError, RequestError
from airflow_provider_canfar.skaha.http.url_probe import responds
from airflow_provider_canfar.skaha.statuses import Kind, Status
from airflow_provider_canfar.task_sessions.task_wait import TaskWait
from airflow_provider_canfar.task_sessions.wait_spec import WaitSpec, WakeEvent, WakeReason

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.models import Session
    from airflow_provider_canfar.skaha.polling.session_cache import Row
    from airflow_provider_canfar.skaha.polling.session_reader import SessionReader
    from airflow_provider_canfar.skaha.polling.snapshot import Snapshot

#: A session is renewed when this many seconds are left to it, or half of its time where that is less.
RENEW_WHEN_LEFT = 86_400.0

#: Seconds between two renewals at least: one that a server accepts without effect is not sent at each list.
RENEW_PAUSE = 3_600.0

#: What the server says when the user has no slot left (PostAction.checkExistingSessions).
_QUOTA = re.compile(r"has reached the maximum of \d+ active session")


def is_quota(error: RequestError) -> bool:
    """Whether the platform refuses a session because the user has as many as are allowed."""
    return _QUOTA.search(error.server_message) is not None


def active_interactive_sessions(sessions: Iterable[Session]) -> int:
    """Count what the server counts: live interactive sessions, without the apps of a desktop."""
    return sum(
        session.is_interactive and session.kind != Kind.DESKTOP_APP and not session.status.is_final
        for session in sessions
    )


@dataclass(frozen=True, slots=True)
class InteractiveWaitSpec(WaitSpec):
    """What the wait of an interactive task is for.

    :param fewer_than: wake when fewer interactive sessions than this are alive, as a slot is free then.
    :param url_must_answer: whether the session counts as open only when its URL answers.
    :param keep_until: the session is open; renew it until then. Seconds since the epoch.
    """

    fewer_than: int | None = None
    url_must_answer: bool = False
    keep_until: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Write it as a trigger's argument, marked as an interactive task's."""
        return WaitSpec.to_json(self) | {"interactive": True}


class InteractiveTaskWait(TaskWait):
    """What one wait of an interactive task has seen so far.

    :param spec: what it is for.
    :param probe: tells whether a URL answers.
    """

    spec: InteractiveWaitSpec

    def __init__(
        self, spec: InteractiveWaitSpec, probe: Callable[[str], Awaitable[bool]] | None = None
    ) -> None:
        super().__init__(spec)
        # The server's bound on interactive sessions counts all of the user's, no matter what launched them.
        self.choose = _is_interactive if spec.fewer_than is not None else None
        self._probe = probe or responds
        self._active: int | None = None
        self._running: list[Session] = []
        self._answered: set[str] = set()
        self._renew_at = 0.0

    def observe(self, snapshot: Snapshot) -> list[str]:
        """Take in what a poll showed, and return a line for each change."""
        if snapshot.is_complete:
            self._active = active_interactive_sessions(snapshot.sessions)
            self._running = [
                session
                for session in snapshot.sessions
                if session.id in self.spec.sessions and session.status is Status.RUNNING
            ]
        return super().observe(snapshot)

    async def process(self, snapshot: Snapshot, reader: SessionReader) -> list[str]:
        """Take in what a poll showed, probe the URL that must answer, and renew what is kept alive.

        Two triggerers may renew at once: each gives the session its whole time again.

        :raises AuthenticationError: when the platform refuses the credential.
        """
        lines = await super().process(snapshot, reader)
        for session_id, url in self.urls_to_probe().items():
            if await self._probe(url):
                self._answered.add(session_id)
        for session_id in self.ids_to_renew(snapshot.at):
            lines.append(await self._renew(reader, session_id, snapshot.at))
        return lines

    async def _renew(self, reader: SessionReader, session_id: str, at: float) -> str:
        try:
            await reader.renew(session_id)
        except AuthenticationError:
            raise
        except RequestError as error:
            # There is a day left to try again.
            return f"Could not renew session {session_id}; trying again later. {error}"
        self._renew_at = at + min([RENEW_PAUSE, *(_lifetime(session) / 4 for session in self._running)])
        return f"Renewed session {session_id}."

    def wake_at(self) -> float | None:
        """Return when there is something to do even if nothing changes, in seconds since the epoch."""
        times = [super().wake_at(), self.spec.keep_until]
        if self.urls_to_probe():
            times.append(0.0)  # With each list.
        if self.spec.keep_until is not None:
            times += [max(self._renew_at, _renewal_due_at(session)) for session in self._running]
        return min((time for time in times if time is not None), default=None)

    def wake(self, now: float) -> WakeEvent | None:
        """Decide whether to wake the worker now."""
        spec = self.spec
        wake = super().wake(now)
        if wake is not None:
            return wake
        if spec.fewer_than is not None:
            is_free = self._active is not None and self._active < spec.fewer_than
            return self.wake_event(WakeReason.RETRY) if is_free else None
        if spec.keep_until is not None:
            return self.wake_event(WakeReason.KEPT) if now >= spec.keep_until else None
        is_open = self._answered if spec.url_must_answer else self._running
        return self.wake_event(WakeReason.OPEN) if is_open else None

    def urls_to_probe(self) -> dict[str, str]:
        """Return the URLs that must answer and have not, by session id."""
        if not self.spec.url_must_answer or self.spec.keep_until is not None:
            return {}
        return {
            session.id: session.connect_url
            for session in self._running
            if session.connect_url and session.id not in self._answered
        }

    def ids_to_renew(self, now: float) -> list[str]:
        """Return the ids of the sessions whose time is nearly over."""
        if self.spec.keep_until is None or now < self._renew_at:
            return []
        return [session.id for session in self._running if now > _renewal_due_at(session)]


def _is_interactive(row: Row) -> bool:
    return row.kind != Kind.HEADLESS


def _lifetime(session: Session) -> float:
    if session.start_time is None or session.expiry_time is None:
        return 0.0
    return (session.expiry_time - session.start_time).total_seconds()


def _renewal_due_at(session: Session) -> float:
    """Return when to renew a session, in seconds since the epoch; infinity if it never expires."""
    if session.expiry_time is None:
        return float("inf")
    return session.expiry_time.timestamp() - min(RENEW_WHEN_LEFT, _lifetime(session) / 2)
