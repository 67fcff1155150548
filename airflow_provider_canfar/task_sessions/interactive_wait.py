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
from airflow_provider_canfar.skaha.http.url_probe import answers
from airflow_provider_canfar.skaha.statuses import Kind, Status
from airflow_provider_canfar.task_sessions.wait import TaskWait, WaitSpec, WakeEvent, WakeReason, keep

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.models import Session
    from airflow_provider_canfar.skaha.polling.session_cache import Row
    from airflow_provider_canfar.skaha.polling.session_reader import SessionReader
    from airflow_provider_canfar.skaha.polling.snapshot import Snapshot
    from airflow_provider_canfar.skaha.polling.subscriptions import Subscription
    from airflow_provider_canfar.task_sessions.wait import Watching

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

    :param waiting: what it is for.
    """

    waiting: InteractiveWaitSpec

    def __init__(self, waiting: InteractiveWaitSpec) -> None:
        super().__init__(waiting)
        self._taken: int | None = None
        self._running: list[Session] = []
        self._answered: set[str] = set()
        self._renew_at = 0.0

    def attend(self, glimpse: Snapshot) -> None:
        """Take in what a poll showed, before what it asks for is done."""
        if glimpse.fault is None and glimpse.whole:
            self._taken = active_interactive_sessions(glimpse.sessions)
            self._running = [
                session
                for session in glimpse.sessions
                if session.id in self.waiting.sessions and session.status is Status.RUNNING
            ]

    def until(self) -> float | None:
        """Say when there is something to do even if nothing changes, in seconds since the epoch."""
        times = [super().until(), self.waiting.keep_until]
        if self.pages():
            times.append(0.0)  # With each look.
        if self.waiting.keep_until is not None:
            times += [max(self._renew_at, _to_be_renewed_at(session)) for session in self._running]
        return min((time for time in times if time is not None), default=None)

    def wake(self, now: float) -> WakeEvent | None:
        """Decide whether the worker is to be woken now."""
        waiting = self.waiting
        wake = super().wake(now)
        if wake is not None:
            return wake
        if waiting.fewer_than is not None:
            is_free = self._taken is not None and self._taken < waiting.fewer_than
            return self._wake(WakeReason.AGAIN) if is_free else None
        if waiting.keep_until is not None:
            return self._wake(WakeReason.KEPT) if now >= waiting.keep_until else None
        is_open = self._answered if waiting.page_must_answer else self._running
        return self._wake(WakeReason.OPEN) if is_open else None

    def pages(self) -> dict[str, str]:
        """Return the pages to ask for, by session id: where one must answer and has not."""
        if not self.waiting.page_must_answer or self.waiting.keep_until is not None:
            return {}
        return {session.id: session.connect_url for session in self._running if session.connect_url}

    def answered(self, session_id: str) -> None:
        """Take in that a session's page answers."""
        self._answered.add(session_id)

    def to_renew(self, now: float) -> list[str]:
        """Return the ids of the sessions to be given their whole time again."""
        if self.waiting.keep_until is None or now < self._renew_at:
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
    waiting: InteractiveWaitSpec,
    watch: Watching,
    *,
    tell: Callable[[str], None],
    page_answers: Callable[[str], Awaitable[bool]] = answers,
) -> WakeEvent:
    """Look until there is a reason to wake the worker; meanwhile renew what is kept.

    To renew is harmless when two do it at once: each gives the session its whole time again.

    :param watch: begins to wait for sessions.
    :param tell: takes one sentence per change, for the task's log.
    :param page_answers: asks for a session's page.
    """
    vigil = InteractiveTaskWait(waiting)

    async def attended(looks: Subscription) -> AsyncIterator[Snapshot]:
        async for glimpse in looks:
            vigil.attend(glimpse)
            for session_id, url in vigil.pages().items():
                if await page_answers(url):
                    vigil.answered(session_id)
            for session_id in vigil.to_renew(glimpse.at):
                await _renew(looks.reads, vigil, session_id, glimpse.at, tell)
            yield glimpse

    # Whose they are does not matter to the server's bound on interactive sessions.
    choose = _is_interactive if waiting.fewer_than is not None else None
    async with watch(waiting.sessions, key=waiting.key, choose=choose, until=vigil.until) as looks:
        return await keep(vigil, attended(looks), looks.reads, tell=tell)


def _is_interactive(row: Row) -> bool:
    return row.kind != Kind.HEADLESS


async def _renew(
    reads: SessionReader, vigil: InteractiveTaskWait, session_id: str, at: float, tell: Callable[[str], None]
) -> None:
    try:
        await reads.renew(session_id)
    except AuthenticationError:
        raise
    except RequestError as error:
        # There is a day left to try again.
        tell(f"{session_id} was not renewed; it is tried again. {error}")
    else:
        vigil.renewed(at)
        tell(f"{session_id}: renewed.")
