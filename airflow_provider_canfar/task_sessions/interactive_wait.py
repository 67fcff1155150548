"""Waiting for an interactive session: for a place for it, until it can be opened, and while it is kept.

A headless session is waited for until it ends (:mod:`airflow_provider_canfar.task_sessions.wait`). This is the same vigil
with more to be woken for.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.errors import AuthenticationError, RequestError
from airflow_provider_canfar.skaha.http.url_probe import responds
from airflow_provider_canfar.skaha.statuses import Kind, Status
from airflow_provider_canfar.task_sessions.wait import TaskWait, WaitSpec, WakeEvent, WakeReason, keep

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.models import Session
    from airflow_provider_canfar.skaha.polling.session_cache import Row
    from airflow_provider_canfar.skaha.polling.session_reader import SessionReader
    from airflow_provider_canfar.skaha.polling.snapshot import Snapshot
    from airflow_provider_canfar.skaha.polling.subscriptions import Subscribe, Subscription

#: A session is renewed when this many seconds are left to it, or half of its time where that is less.
RENEW_WHEN_LEFT = 86_400.0

#: Seconds between two renewals at least: one that a server takes without a change is not sent at each look.
RENEW_PAUSE = 3_600.0

#: What the server says when all places are taken (PostAction.checkExistingSessions).
_QUOTA = re.compile(r"has reached the maximum of \d+ active session")


def is_quota(error: RequestError) -> bool:
    """Whether the platform refuses a session because the user has as many as there may be."""
    return _QUOTA.search(error.server_message) is not None


def active_interactive_sessions(sessions: Iterable[Session]) -> int:
    """Count the sessions that the server counts: interactive ones that live, apps of a desktop aside."""
    return sum(
        session.is_interactive and session.kind != Kind.DESKTOP_APP and not session.status.is_final
        for session in sessions
    )


@dataclass(frozen=True, slots=True)
class InteractiveWaitSpec(WaitSpec):
    """What the wait of an interactive task is for.

    :param fewer_than: wake when fewer interactive sessions than this are alive, as there is a place then.
    :param page_must_answer: whether the session counts as open only when its page answers.
    :param keep_until: the session is open; renew it until then. Seconds since the epoch.
    """

    fewer_than: int | None = None
    page_must_answer: bool = False
    keep_until: float | None = None


class InteractiveTaskWait(TaskWait):
    """What one wait of an interactive task has seen so far.

    :param wait_spec: what it is for.
    """

    wait_spec: InteractiveWaitSpec

    def __init__(self, wait_spec: InteractiveWaitSpec) -> None:
        super().__init__(wait_spec)
        self._taken: int | None = None
        self._running: list[Session] = []
        self._answered: set[str] = set()
        self._renew_at = 0.0

    def attend(self, snapshot: Snapshot) -> None:
        """Take in what a poll showed, before what it asks for is done."""
        if snapshot.fault is None and snapshot.is_complete:
            self._taken = active_interactive_sessions(snapshot.sessions)
            self._running = [
                session
                for session in snapshot.sessions
                if session.id in self.wait_spec.sessions and session.status is Status.RUNNING
            ]

    def wake_at(self) -> float | None:
        """Say when there is something to do even if nothing changes, in seconds since the epoch."""
        times = [super().wake_at(), self.wait_spec.keep_until]
        if self.pages():
            times.append(0.0)  # With each look.
        if self.wait_spec.keep_until is not None:
            times += [max(self._renew_at, _to_be_renewed_at(session)) for session in self._running]
        return min((time for time in times if time is not None), default=None)

    def wake(self, now: float) -> WakeEvent | None:
        """Decide whether the worker is to be woken now."""
        wait_spec = self.wait_spec
        wake = super().wake(now)
        if wake is not None:
            return wake
        if wait_spec.fewer_than is not None:
            is_free = self._taken is not None and self._taken < wait_spec.fewer_than
            return self._wake(WakeReason.AGAIN) if is_free else None
        if wait_spec.keep_until is not None:
            return self._wake(WakeReason.KEPT) if now >= wait_spec.keep_until else None
        is_open = self._answered if wait_spec.page_must_answer else self._running
        return self._wake(WakeReason.OPEN) if is_open else None

    def pages(self) -> dict[str, str]:
        """Return the pages to ask for, by session id: where one must answer and has not."""
        if not self.wait_spec.page_must_answer or self.wait_spec.keep_until is not None:
            return {}
        return {session.id: session.connect_url for session in self._running if session.connect_url}

    def answered(self, session_id: str) -> None:
        """Take in that a session's page answers."""
        self._answered.add(session_id)

    def to_renew(self, now: float) -> list[str]:
        """Return the ids of the sessions to be given their whole time again."""
        if self.wait_spec.keep_until is None or now < self._renew_at:
            return []
        return [session.id for session in self._running if now > _to_be_renewed_at(session)]

    def renewed(self, now: float) -> None:
        """Take in that what was to be renewed has been."""
        self._renew_at = now + min([RENEW_PAUSE, *(_lifetime(session) / 4 for session in self._running)])


def _lifetime(session: Session) -> float:
    if session.start_time is None or session.expiry_time is None:
        return 0.0
    return (session.expiry_time - session.start_time).total_seconds()


def _to_be_renewed_at(session: Session) -> float:
    """Say when little is left of a session's time, in seconds since the epoch; infinity if it has no end."""
    if session.expiry_time is None:
        return float("inf")
    return session.expiry_time.timestamp() - min(RENEW_WHEN_LEFT, _lifetime(session) / 2)


async def keep_open(
    wait_spec: InteractiveWaitSpec,
    watch: Subscribe,
    *,
    emit: Callable[[str], None],
    page_answers: Callable[[str], Awaitable[bool]] = responds,
) -> WakeEvent:
    """Look until there is a reason to wake the worker; meanwhile renew what is kept.

    To renew is harmless when two do it at once: each gives the session its whole time again.

    :param watch: begins to wait for sessions.
    :param emit: takes one sentence per change, for the task's log.
    :param page_answers: asks for a session's page.
    """
    task_wait = InteractiveTaskWait(wait_spec)

    async def attended(subscription: Subscription) -> AsyncIterator[Snapshot]:
        async for snapshot in subscription:
            task_wait.attend(snapshot)
            for session_id, url in task_wait.pages().items():
                if await page_answers(url):
                    task_wait.answered(session_id)
            for session_id in task_wait.to_renew(snapshot.at):
                await _renew(subscription.reader, task_wait, session_id, snapshot.at, emit)
            yield snapshot

    # Whose they are does not matter to the server's bound on interactive sessions.
    choose = _is_interactive if wait_spec.fewer_than is not None else None
    async with watch(
        wait_spec.sessions, key=wait_spec.key, choose=choose, wake_at=task_wait.wake_at
    ) as subscription:
        return await keep(task_wait, attended(subscription), subscription.reader, emit=emit)


def _is_interactive(row: Row) -> bool:
    return row.kind != Kind.HEADLESS


async def _renew(
    reads: SessionReader,
    task_wait: InteractiveTaskWait,
    session_id: str,
    at: float,
    emit: Callable[[str], None],
) -> None:
    try:
        await reads.renew(session_id)
    except AuthenticationError:
        raise
    except RequestError as error:
        # There is a day left to try again.
        emit(f"{session_id} was not renewed; it is tried again. {error}")
    else:
        task_wait.renewed(at)
        emit(f"{session_id}: renewed.")
