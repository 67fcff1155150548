"""When to wake the worker of a task that waits for its sessions: a state machine that lists feed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.errors import AuthenticationError, RequestError, ServiceBusy
from airflow_provider_canfar.skaha.naming import SessionName
from airflow_provider_canfar.skaha.polling.session_reader import fetch_each
from airflow_provider_canfar.skaha.polling.session_tracker import SessionTracker
from airflow_provider_canfar.skaha.polling.usage import UsageHistory
from airflow_provider_canfar.skaha.statuses import Status
from airflow_provider_canfar.task_sessions.log_follower import LogFollower
from airflow_provider_canfar.task_sessions.progress import Progress, ProgressLog, ProgressWrites
from airflow_provider_canfar.task_sessions.replica_states import ReplicaState, ReplicaStates
from airflow_provider_canfar.task_sessions.startup import StartupMonitor
from airflow_provider_canfar.task_sessions.wait_spec import WaitSpec, WakeEvent, WakeReason

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.polling.session_reader import SessionReader
    from airflow_provider_canfar.skaha.polling.session_tracker import StatusChange
    from airflow_provider_canfar.skaha.polling.snapshot import Snapshot

#: Each change of each session at DEBUG, which Airflow writes to the task's log, too.
log = logging.getLogger(__name__)

#: A single free slot, where replicas are queued, waits for this many seconds: one wake then serves several.
SLOT_DELAY = 10.0

#: A single session that does not start waits for this many seconds: others may fail for the same reason.
BATCH_DELAY = 30.0


class TaskWait:
    """What one wait has seen so far.

    :param spec: what it is for.
    """

    #: Which sessions to be shown besides those of the spec; None for the task's own only.
    choose: Callable[..., bool] | None = None

    def __init__(self, spec: WaitSpec) -> None:
        self.spec = spec
        self.tracker = SessionTracker(spec.sessions)
        self.startup = StartupMonitor(spec.start_by, spec.since)
        self.log_follower = LogFollower(spec.logging_interval, spec.max_log_bytes, spec.max_logged_replicas)
        progress = Progress.from_json(spec.progress)
        self.states = ReplicaStates(progress.states)
        self.progress_writes = ProgressWrites(progress, self.states, spec.since or 0.0)
        self._progress_log = ProgressLog(self.states, spec.since or 0.0)
        #: What sessions use; a subscription has it.
        self.usage = UsageHistory()
        self._ended_at: dict[str, float] = {}
        self._observed_at = spec.since
        self._first_end: float | None = None
        self._duplicate = False

    @property
    def is_held(self) -> bool:
        """Whether replicas are queued for another reason than that sessions of the spec are alive."""
        return False

    def observe(self, snapshot: Snapshot) -> list[str]:
        """Take in what a poll showed, and return a line for each change."""
        if snapshot.previous_at is not None:
            self._observed_at = snapshot.previous_at
        changes = self.tracker.observe(
            (session for session in snapshot.sessions if session.id in self.spec.sessions),
            is_complete=snapshot.is_complete,
        )
        lines = self._take_in(changes, snapshot.at)
        for session in snapshot.sessions:
            if session.id in self.spec.sessions:
                if line := self.startup.observe(session, snapshot.at):
                    lines.append(line)
                self.log_follower.observe(session, snapshot.at)
            elif not session.status.is_final and self._is_own(session.name):
                self._duplicate = True
        self._observed_at = snapshot.at
        return lines

    def _take_in(self, changes: Iterable[StatusChange], at: float) -> list[str]:
        """Note what has changed, and return the lines to log: of a task with many sessions, its progress."""
        lines = []
        for change in changes:
            self.states.set(self.spec.sessions[change.session_id], ReplicaState.of(change.status))
            if Status.of(change.status).is_final:
                self._note_end(change.session_id, at)
            log.debug("%s", change)
            lines.append(str(change))
        return lines if len(self.states) <= 1 else []

    def mark_gone(self, session_ids: Iterable[str], at: float) -> None:
        """Take in that the platform answers 404 for these."""
        for session_id in session_ids:
            self.tracker.mark_gone([session_id])
            self.startup.mark_gone(session_id)
            self.states.set(self.spec.sessions[session_id], ReplicaState.FAILED)
            self._note_end(session_id, at)

    def _note_end(self, session_id: str, at: float) -> None:
        """Remember since when there is an outcome to record: an end may be as old as the list before it."""
        self._ended_at[session_id] = at
        if self._first_end is None:
            self._first_end = at if self._observed_at is None else self._observed_at

    async def process(self, snapshot: Snapshot, reader: SessionReader) -> list[str]:
        """Take in what a poll showed, ask for what lists do not say, and return the lines to log.

        :raises AuthenticationError: when the platform refuses the credential.
        """
        if snapshot.fault is not None:
            return []
        lines = self.observe(snapshot)
        if snapshot.is_complete:
            found, unknown = await fetch_each(reader, self.tracker.missing_ids())
            # Lists omit these, and the platform knows them.
            lines += self._take_in(self.tracker.update(found), snapshot.at)
            self.mark_gone(unknown, snapshot.at)
        lines += await _start_reasons(reader, self.startup, snapshot.at)
        if self._reason(snapshot.at) is None:
            # Otherwise the worker is woken now, and a log may take a while.
            for session_id in self.log_follower.due(snapshot.at):
                lines += await self._new_log_lines(reader, session_id, snapshot.at)
        progress = self._progress_log.line(snapshot.at)
        return lines if progress is None else [*lines, progress]

    async def _new_log_lines(self, reader: SessionReader, session_id: str, at: float) -> list[str]:
        try:
            log = (await reader.logs(session_id))[session_id]
        except AuthenticationError:
            raise
        except RequestError:
            # A later read shows what this one did not.
            self.log_follower.postpone(session_id, at)
            return []
        return self.log_follower.new_lines(session_id, log, at, prefix=f"{self.spec.sessions[session_id]}: ")

    def wake_at(self) -> float | None:
        """Return when there is something to do even if nothing changes, in seconds since the epoch."""
        spec = self.spec
        times = [spec.deadline, spec.retry_at, self.startup.wake_at()]
        times += [self.log_follower.wake_at(), self._progress_log.wake_at()]
        if self._first_end is not None:
            times.append(self._first_end + spec.record_within)
            if spec.slots_to_free is not None:
                times.append(self._first_end + SLOT_DELAY)
        if self.startup.failed and self.startup.failed_at is not None:
            times.append(self.startup.failed_at + BATCH_DELAY)
        return min((time for time in times if time is not None), default=None)

    def is_past_deadline(self, now: float) -> bool:
        """Whether the deadline has passed."""
        return self.spec.deadline is not None and now >= self.spec.deadline

    def wake(self, now: float) -> WakeEvent | None:
        """Decide whether to wake the worker now."""
        reason = self._reason(now)
        return self.wake_event(reason) if reason else None

    def wake_event(self, reason: WakeReason, message: str = "") -> WakeEvent:
        """Return what to tell the worker.

        :param message: what the platform said, where it refuses the credential.
        """
        failed, ended = self.startup.failed, self.tracker.ended
        return WakeEvent(
            reason,
            ended,
            tuple(sorted(self.tracker.gone)),
            {session_id: failure.reason for session_id, failure in failed.items()},
            message,
            tuple(session_id for session_id in self.startup.started if session_id not in ended),
            tuple(session_id for session_id, failure in failed.items() if not failure.retryable),
            self._first_end,
            self.usage.of(self._ended_at),
        )

    def _reason(self, now: float) -> WakeReason | None:
        """Return the first reason that holds, the most urgent first."""
        spec, tracker = self.spec, self.tracker
        ends = len(tracker.ended) + len(tracker.gone)
        since_first_end = now - self._first_end if self._first_end is not None else 0.0
        enough_slots = spec.slots_to_free is not None and (
            ends >= spec.slots_to_free or since_first_end >= SLOT_DELAY
        )
        reasons = (
            (WakeReason.ENDED, ends == len(spec.sessions) and spec.retry_at is None and not self.is_held),
            (WakeReason.FAILURES, self._failure_budget_spent()),
            (WakeReason.NEVER_STARTED, self._has_start_failures_to_record(now)),
            (WakeReason.DEADLINE, self.is_past_deadline(now)),
            (WakeReason.RETRY, spec.retry_at is not None and now >= spec.retry_at),
            (WakeReason.DUPLICATE, self._duplicate),
            (WakeReason.SLOTS, ends > 0 and enough_slots),
            (WakeReason.RECORD, since_first_end >= spec.record_within),
        )
        return next((reason for reason, holds in reasons if holds), None)

    def _failure_budget_spent(self) -> bool:
        if self.spec.failures_left is None:
            return False
        failed = sum(not Status.of(status).is_success for status in self.tracker.ended.values())
        return failed + len(self.tracker.gone) + len(self.startup.failed) > self.spec.failures_left

    def _has_start_failures_to_record(self, now: float) -> bool:
        """Whether nothing else is left, or the others had some time to show that they do not start either."""
        startup, tracker = self.startup, self.tracker
        if not startup.failed or startup.failed_at is None:
            return False
        settled = len(tracker.ended) + len(tracker.gone) + len(startup.failed)
        return settled == len(self.spec.sessions) or now >= startup.failed_at + BATCH_DELAY

    def _is_own(self, name: str) -> bool:
        parsed = SessionName.parse(name)
        return parsed is not None and parsed.key == self.spec.key


async def _start_reasons(reader: SessionReader, startup: StartupMonitor, at: float) -> list[str]:
    """Read the events of sessions that do not start, and return a line for each new reason."""
    lines = []
    for session_id in startup.due(at):
        try:
            events = (await reader.events(session_id))[session_id]
        except AuthenticationError:
            raise
        except ServiceBusy:
            startup.postpone(session_id, at)
            continue
        except RequestError:
            # The server answers 404 until the session has been admitted; that is nothing to log. After any
            # other error, what was known before still holds.
            events = []
        line = startup.record_events(session_id, events, at)
        if line is not None:
            lines.append(line)
    return lines
