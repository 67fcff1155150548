"""Waiting for sessions: when to wake the worker, as a pure state machine, and the one loop that feeds it.

The trigger and the blocking wait run the same loop, :func:`keep`. It only looks. What is to be done about
what it saw (launch, destroy, record) is the worker's affair, so that two triggerers that run the same
trigger at once do no harm.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from os.path import commonprefix
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_canfar.skaha.errors import (
    AuthenticationError,
    NotFound,
    RequestError,
    ServiceBusy,
    Unreachable,
)
from airflow_provider_canfar.skaha.naming import SessionName
from airflow_provider_canfar.skaha.polling.outage_log import OutageLog
from airflow_provider_canfar.skaha.polling.session_tracker import LISTS_UNTIL_MISSING
from airflow_provider_canfar.skaha.statuses import Status
from airflow_provider_canfar.task_sessions.log_follower import LogFollower
from airflow_provider_canfar.task_sessions.startup import StartupMonitor

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.polling.session_reader import SessionReader
    from airflow_provider_canfar.skaha.polling.snapshot import Snapshot
    from airflow_provider_canfar.skaha.polling.subscriptions import Subscribe


#: An end is recorded within this many seconds by default: the platform forgets a finished session, and its
#: log, one hour after its end (ttlSecondsAfterFinished in launch-headless.yaml).
RECORD_WITHIN = 1200.0

#: Where replicas wait for a place, one free place waits this many seconds for others to be filled with it.
BATCH_DELAY = 30.0


class WakeReason(StrEnum):
    """Why the worker is woken."""

    ENDED = "all have ended"
    PLACE = "places are free for more replicas"
    AGAIN = "a busy platform may be asked again"
    FAILURES = "more replicas have failed than may"
    HARVEST = "ended replicas are about to be forgotten by the platform"
    DUPLICATE = "an unexpected session of this task is alive"
    DEADLINE = "the deadline has passed"
    NOT_STARTING = "a session does not start"
    REFUSED = "the platform refuses the credential"
    OPEN = "the session can be opened"
    KEPT = "the session has been kept for as long as was asked"


@dataclass(frozen=True, slots=True)
class WaitSpec:
    """What a wait is for; JSON, as a trigger's arguments are, and no secret in it.

    :param key: the key in the names of the task's own sessions.
    :param sessions: id -> name of those that had not ended when the wait began.
    :param slots_to_free: how many ends make it worth waking the worker to launch more; None: nothing more to launch.
    :param retry_at: when to send replicas again that a busy platform did not take; seconds since the epoch.
    :param failures_left: how many more may fail before the worker is woken; None: let all end first.
    :param deadline: seconds since the epoch; None: no deadline.
    :param start_by: id -> seconds since the epoch at which the session must have started; those that have
        started once are left out.
    :param logging_interval: seconds between two looks at the log of a session that runs; None not to follow logs.
    :param since: when the wait began, in seconds since the epoch. The first look of a triggerer that was
        restarted may show an end as old as that.
    :param record_within: seconds within which an end is recorded, before the platform forgets it.
    """

    key: str
    sessions: Mapping[str, str]
    slots_to_free: int | None = None
    retry_at: float | None = None
    failures_left: int | None = None
    deadline: float | None = None
    start_by: Mapping[str, float] = field(default_factory=dict)
    logging_interval: float | None = None
    since: float | None = None
    record_within: float = RECORD_WITHIN

    def to_json(self) -> dict[str, Any]:
        """Write it as a trigger's argument.

        What all names begin with is written once: on MySQL, a trigger's arguments are a TEXT of 64 kB.
        """
        prefix = commonprefix(list(self.sessions.values()))  # noqa: RUF071 - by characters; it is no path
        sessions = {session_id: name.removeprefix(prefix) for session_id, name in self.sessions.items()}
        return asdict(self) | {"sessions": sessions, "prefix": prefix}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read it back; arguments that another release wrote and this one does not know are left aside."""
        # The slots of a subclass are only its own.
        known = {one.name for one in fields(cls)}
        prefix = data.get("prefix", "")
        sessions = {session_id: f"{prefix}{name}" for session_id, name in data["sessions"].items()}
        return cls(**{name: value for name, value in data.items() if name in known} | {"sessions": sessions})


@dataclass(frozen=True, slots=True)
class WakeEvent:
    """What the worker is told: a reason, and the ends that the wait has seen.

    The platform may have forgotten them by the time that a worker is free.

    :param ended: id -> the platform's word for how the session ended.
    :param gone: ids that the platform no longer knows.
    :param never: id -> why the session does not start.
    :param started: ids that have started, of those that must have in time.
    :param words: what the platform said, where it refuses the credential.
    """

    reason: WakeReason
    ended: Mapping[str, str] = field(default_factory=dict)
    gone: tuple[str, ...] = ()
    never: Mapping[str, str] = field(default_factory=dict)
    words: str = ""
    started: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Write it as a trigger's event."""
        as_json = {"reason": self.reason.value, "gone": list(self.gone), "started": list(self.started)}
        return asdict(self) | as_json

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read a trigger's event back; what another release wrote may lack something, or have more."""
        known = {name: value for name, value in data.items() if name in cls.__slots__}
        several = {name: tuple(data.get(name, ())) for name in ("gone", "started")}
        return cls(**known | several | {"reason": WakeReason(data["reason"])})


class TaskWait:
    """What one wait has seen so far.

    :param wait_spec: what it is for.
    """

    def __init__(self, wait_spec: WaitSpec) -> None:
        self.wait_spec = wait_spec
        self.ended: dict[str, str] = {}
        self.gone: set[str] = set()
        self.starting = StartupMonitor(wait_spec.start_by, wait_spec.since)
        self.following = LogFollower(wait_spec.logging_interval)
        self._looked_at = wait_spec.since
        self._first_end: float | None = None
        self._omitted: dict[str, int] = {}
        self._words: dict[str, str] = {}
        self._duplicate = False

    def observe(self, snapshot: Snapshot) -> list[str]:
        """Take in what a poll showed, and return a sentence for each change."""
        listed, changes = set(), []
        if snapshot.previous_at is not None:
            self._looked_at = snapshot.previous_at
        for session in snapshot.sessions:
            listed.add(session.id)
            if session.id in self.wait_spec.sessions:
                self.starting.observe(session, snapshot.at)
                self.following.observe(session, snapshot.at)
                before = self._words.get(session.id)
                if session.status_word != before:
                    self._words[session.id] = session.status_word
                    news = f"{before} → {session.status_word}" if before else session.status_word
                    changes.append(f"{session.name} {session.id}: {news}")
                if session.status.is_final and session.id not in self.ended:
                    self.ended[session.id] = session.status_word
                    self._note_end(snapshot.at)
            elif not session.status.is_final and self._is_ours(session.name):
                self._duplicate = True
        for session_id in self.wait_spec.sessions:
            if session_id in listed:
                self._omitted.pop(session_id, None)
                self.gone.discard(session_id)
            elif snapshot.is_complete and session_id not in self.ended:
                self._omitted[session_id] = self._omitted.get(session_id, 0) + 1
        self._looked_at = snapshot.at
        return changes

    def missing_ids(self) -> list[str]:
        """Return the ids that lists have omitted often enough to ask for each by itself."""
        return [
            session_id
            for session_id, times in self._omitted.items()
            if times >= LISTS_UNTIL_MISSING and session_id not in self.gone
        ]

    def mark_gone(self, session_ids: Iterable[str], at: float) -> None:
        """Take in that the platform answers 404 for these."""
        for session_id in session_ids:
            self.gone.add(session_id)
            self._note_end(at)

    def _note_end(self, at: float) -> None:
        """Remember since when there is something to record: an end may be as old as the look before it."""
        if self._first_end is None:
            self._first_end = at if self._looked_at is None else self._looked_at

    @property
    def _failures(self) -> int:
        return len(self.gone) + sum(not Status.of(word).is_success for word in self.ended.values())

    def wake_at(self) -> float | None:
        """Say when there is something to do even if nothing changes, in seconds since the epoch."""
        wait_spec = self.wait_spec
        times = [wait_spec.deadline, wait_spec.retry_at, self.starting.wake_at(), self.following.wake_at()]
        if self._first_end is not None:
            times.append(self._first_end + wait_spec.record_within)
            if wait_spec.slots_to_free is not None:
                times.append(self._first_end + BATCH_DELAY)
        return min((time for time in times if time is not None), default=None)

    def is_past_deadline(self, now: float) -> bool:
        """Whether the deadline has passed."""
        return self.wait_spec.deadline is not None and now >= self.wait_spec.deadline

    def wake(self, now: float) -> WakeEvent | None:
        """Decide whether the worker is to be woken now."""
        reason = self._reason(now)
        return self._wake(reason) if reason else None

    def refused(self, words: str) -> WakeEvent:
        """Wake the worker because the platform refuses the credential."""
        return self._wake(WakeReason.REFUSED, words)

    def _wake(self, reason: WakeReason, words: str = "") -> WakeEvent:
        starting = self.starting
        return WakeEvent(
            reason,
            dict(self.ended),
            tuple(sorted(self.gone)),
            dict(starting.failed),
            words,
            starting.started,
        )

    def _reason(self, now: float) -> WakeReason | None:
        wait_spec, ends = self.wait_spec, len(self.ended) + len(self.gone)
        since_first_end = now - self._first_end if self._first_end is not None else 0.0
        if ends == len(wait_spec.sessions) and wait_spec.retry_at is None:
            return WakeReason.ENDED
        if wait_spec.failures_left is not None and self._failures > wait_spec.failures_left:
            return WakeReason.FAILURES
        if self.starting.failed:
            return WakeReason.NOT_STARTING
        if self.is_past_deadline(now):
            return WakeReason.DEADLINE
        if wait_spec.retry_at is not None and now >= wait_spec.retry_at:
            return WakeReason.AGAIN
        if self._duplicate:
            return WakeReason.DUPLICATE
        if (
            wait_spec.slots_to_free is not None
            and ends
            and (ends >= wait_spec.slots_to_free or since_first_end >= BATCH_DELAY)
        ):
            return WakeReason.PLACE
        if since_first_end >= wait_spec.record_within:
            return WakeReason.HARVEST
        return None

    def _is_ours(self, name: str) -> bool:
        parsed = SessionName.parse(name)
        return parsed is not None and parsed.key == self.wait_spec.key


async def keep_watch(task_wait: TaskWait, watch: Subscribe, *, emit: Callable[[str], None]) -> WakeEvent:
    """Wait, by a poll that is shared, until there is a reason to wake the worker.

    :param watch: begins to wait for sessions.
    """
    wait_spec = task_wait.wait_spec
    async with watch(wait_spec.sessions, key=wait_spec.key, wake_at=task_wait.wake_at) as subscription:
        return await keep(task_wait, subscription, subscription.reader, emit=emit)


async def keep(
    task_wait: TaskWait,
    subscription: AsyncIterator[Snapshot],
    reads: SessionReader,
    *,
    emit: Callable[[str], None],
) -> WakeEvent:
    """Look until there is a reason to wake the worker.

    :param task_wait: what is waited for.
    :param subscription: what the platform shows, look by look.
    :param reads: asked about single sessions.
    :param emit: takes one sentence per change, for the task's log.
    """
    try:
        return await _keep(task_wait, subscription, reads, emit)
    except AuthenticationError as error:
        return task_wait.refused(str(error))


async def _keep(
    task_wait: TaskWait,
    subscription: AsyncIterator[Snapshot],
    reads: SessionReader,
    emit: Callable[[str], None],
) -> WakeEvent:
    outage_log = OutageLog()
    async for snapshot in subscription:
        if (news := outage_log.update(snapshot)) is not None:
            emit(news)
        if snapshot.fault is None:
            for sentence in task_wait.observe(snapshot):
                emit(sentence)
            if snapshot.is_complete:
                task_wait.mark_gone(await _unknown(reads, task_wait.missing_ids()), snapshot.at)
            for sentence in await _reasons(reads, task_wait.starting, snapshot.at):
                emit(sentence)
            for line in await _new_lines(reads, task_wait, snapshot.at):
                emit(line)
        # While the platform is silent there is nothing that a worker could do but end the task in time.
        wake = (
            task_wait.wake(snapshot.at)
            if snapshot.fault is None or task_wait.is_past_deadline(snapshot.at)
            else None
        )
        if wake is not None:
            return wake
    raise AssertionError("looking never ends by itself")


async def _unknown(reads: SessionReader, session_ids: Iterable[str]) -> list[str]:
    """Ask for each session by itself, and return those that the platform answers 404 for."""
    unknown = []
    for session_id in session_ids:
        try:
            await reads.info(session_id)
        except NotFound:
            unknown.append(session_id)
        except AuthenticationError:
            raise
        except (ServiceBusy, Unreachable):
            # The others would wait for an answer as long, and somebody's deadline may pass meanwhile.
            break
        except RequestError:
            # No answer says nothing about the session; it is asked for again after the next list.
            continue
    return unknown


async def _reasons(reads: SessionReader, starting: StartupMonitor, at: float) -> list[str]:
    """Ask for the events of sessions that do not start, and return a sentence for each that says news."""
    news = []
    for session_id in starting.to_ask(at):
        try:
            events = (await reads.events(session_id))[session_id]
        except AuthenticationError:
            raise
        except ServiceBusy:
            starting.postpone(session_id, at)
            continue
        except RequestError:
            # The server answers 404 until the session has been admitted; that is no reason to tell.
            events = []
        sentence = starting.record_events(session_id, events, at)
        if sentence is not None:
            news.append(sentence)
    return news


async def _new_lines(reads: SessionReader, task_wait: TaskWait, at: float) -> list[str]:
    """Look at the logs that are followed, and return what is new in them, each line with its session."""
    lines = []
    for session_id in task_wait.following.due(at):
        try:
            log = (await reads.logs(session_id))[session_id]
        except AuthenticationError:
            raise
        except RequestError:
            # The next look shows what this one did not.
            continue
        name = task_wait.wait_spec.sessions[session_id]
        lines += [f"{name}: {line}" for line in task_wait.following.take(session_id, log, at)]
    return lines
