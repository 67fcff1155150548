"""A rolling task on a platform in memory, with the provider's own code in its phases and in its wait.

Time is virtual: it passes when something waits. The platform's requests and Airflow's own work take the time
that is given below, and no CPU: what is measured is the provider's.
"""

from __future__ import annotations

import asyncio
import heapq
import json
import random
import string
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from airflow_provider_canfar.skaha.models import Session, SessionSpec
from airflow_provider_canfar.skaha.naming import Identity
from airflow_provider_canfar.skaha.polling.snapshot import Snapshot
from airflow_provider_canfar.task_sessions.batch import Batch
from airflow_provider_canfar.task_sessions.ended_session import LogReader, OutcomeRecorder
from airflow_provider_canfar.task_sessions.journal import ENTRY, Journal
from airflow_provider_canfar.task_sessions.limits import Limits
from airflow_provider_canfar.task_sessions.next_wait import wait_spec_for
from airflow_provider_canfar.task_sessions.progress import progress_xcom
from airflow_provider_canfar.task_sessions.reconcile import Reconciler
from airflow_provider_canfar.task_sessions.run_options import RunOptions
from airflow_provider_canfar.task_sessions.session_xcoms import SessionXComs
from airflow_provider_canfar.task_sessions.wait import task_wait_of
from airflow_provider_canfar.task_sessions.wait_spec import WakeEvent, WakeReason

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.client import SkahaClient
    from airflow_provider_canfar.task_sessions.plan import Plan

#: Seconds between two polls, until an event may follow a trigger's start, until a worker runs a woken task,
#: of one create, and after which the platform forgets a session.
POLL_INTERVAL = 15.0
NO_EVENT_WITHIN = 10.0
WORKER_START = 5.0
CREATE = 1.0
RETENTION = 3600.0

BEGAN = 1_800_000_000.0


class Platform:
    """An account whose sessions run for given times.

    :param lifetimes: seconds, by replica.
    """

    def __init__(self, lifetimes: Sequence[float]) -> None:
        self.now = BEGAN
        self.alive: dict[str, float] = {}
        #: Seconds in which each number of sessions was alive, while replicas were left to launch.
        self.occupied: defaultdict[int, float] = defaultdict(float)
        self.launched = 0
        self._lifetimes = lifetimes
        self._sessions: dict[str, Session] = {}
        self._ends: list[tuple[float, str]] = []
        self._ended: list[tuple[float, str]] = []
        self._dice = random.Random(16)  # noqa: S311 - reproducible, not for a secret
        self.metrics = self

    def send(self, *_: Any) -> None:
        """Take a metric."""

    def pass_time(self, until: float) -> None:
        """Let sessions end until a time."""
        while self._ends and self._ends[0][0] <= until:
            at, session_id = heapq.heappop(self._ends)
            self._occupy(at)
            del self.alive[session_id]
            self._sessions[session_id] = _session(
                self._sessions[session_id].name, session_id, at, "Completed"
            )
            self._ended.append((at, session_id))
        self._occupy(until)

    def _occupy(self, until: float) -> None:
        if self.launched < len(self._lifetimes):
            self.occupied[len(self.alive)] += max(0.0, until - self.now)
        self.now = max(self.now, until)

    def listed(self) -> list[Session]:
        """Return what the platform lists."""
        while self._ended and self._ended[0][0] < self.now - RETENTION:
            del self._sessions[self._ended.pop(0)[1]]
        return list(self._sessions.values())

    # What a phase calls.

    async def sleep(self, seconds: float) -> None:
        self.pass_time(self.now + seconds)

    async def fetch(self, **_: Any) -> list[Session]:
        return self.listed()

    async def create_replica(self, spec: SessionSpec, replica: int, *, name: str) -> str:
        await asyncio.sleep(0)  # The other creates begin.
        session_id = "".join(self._dice.choices(string.ascii_lowercase + string.digits, k=8))
        self.launched += 1
        # Eight are under way at once.
        self.pass_time(self.now + CREATE / 8)
        self.alive[session_id] = self.now
        heapq.heappush(self._ends, (self.now + self._lifetimes[replica - 1], session_id))
        self._sessions[session_id] = _session(name, session_id, self.now, "Running")
        return session_id

    async def logs(self, session_id: str, **_: Any) -> dict[str, str]:
        return {session_id: "done\n"}

    async def destroy(self, ids: Mapping[str, str]) -> dict[str, bool]:
        return dict.fromkeys(ids, True)


def _session(name: str, session_id: str, started: float, status: str) -> Session:
    at = datetime.fromtimestamp(int(started), UTC).isoformat()
    return Session.model_validate(
        {"id": session_id, "name": name, "type": "headless", "status": status, "startTime": at}
    )


@dataclass
class Database:
    """Airflow's database: the store of the journal, and the bytes that are written to any column."""

    rows: dict[str, str] = field(default_factory=dict)
    written: int = 0

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of an entry."""
        return json.loads(self.rows[key]) if key in self.rows else default

    def set(self, key: str, value: Any) -> None:
        """Write the value of an entry."""
        self.rows[key] = self.write(key, value)

    def write(self, key: str, value: Any) -> str:
        """Count what is written in the place of an earlier value."""
        text = json.dumps(value)
        self.written += len(text)
        return text


@dataclass
class Rolling:
    """What a rolling task has cost.

    :param wall: seconds until its last session has been recorded.
    :param largest_wake: the most bytes that one wake has written.
    :param cpu: CPU seconds of its phases in a worker.
    :param slowest: CPU seconds of the slowest of them.
    :param fullness: the share of its places that were taken, while replicas were left to launch.
    """

    replicas: int
    wall: float = 0.0
    wakes: int = 0
    written: int = 0
    largest_wake: int = 0
    cpu: float = 0.0
    slowest: float = 0.0
    fullness: float = 0.0


def nothing(_: object) -> None:
    """Write no line."""


def roll(
    lifetimes: Sequence[float],
    places: int,
    database: Database | None = None,
    *,
    is_deferrable: bool = True,
) -> Rolling:
    """Run a task with so many places from its launch to its end.

    :param database: by default, one in memory.
    :param is_deferrable: whether it waits in the triggerer, and a new worker goes on.
    """
    platform, measured = Platform(lifetimes), Rolling(len(lifetimes))
    database = database or Database()
    batch = Batch(Identity("af-reduce", "k3v5x2qamd", 0, "0" * 32), 1, len(lifetimes))
    carried = batch.to_json()
    journal = Journal(database, ENTRY, nothing)
    journal.begin(batch)
    xcoms = SessionXComs(batch)
    wake: WakeEvent | None = None
    client = cast("SkahaClient", platform)  # It has the verbs that are used.
    with asyncio.Runner() as runner:
        # The runner itself would write down each phase's result, for a signal handler of its own.
        loop = runner.get_loop()
        while True:
            before, cpu = database.written, time.process_time()
            if is_deferrable or wake is None:
                platform.pass_time(platform.now + WORKER_START)
                journal = Journal(database, ENTRY, nothing)
                batch = journal.resume(Batch.from_json(carried))
                xcoms = SessionXComs(batch)
            else:
                batch = journal.fold(batch)
            if wake is not None:
                batch = batch.with_observations(wake.ended, wake.gone, wake.started)
            reconciler = _reconciler(platform, batch, places)
            now = loop.run_until_complete(reconciler.reconcile(client))
            if now.verdict is not None:
                reconciler.batch = journal.complete(reconciler.batch)
                now = loop.run_until_complete(reconciler.reconcile(client))
            batch = reconciler.batch
            whole = wake is None or now.verdict is not None
            for key, value in xcoms.to_push(batch, journal.complete, whole=whole).items():
                database.write(key, value)
            database.write("progress", progress_xcom(batch, platform.now))
            journal.record(batch)
            if now.verdict is None:
                carried = batch.to_json()
                stored = _wait_spec(platform, reconciler, now, places)
                if is_deferrable:
                    database.write("task", carried)
                    database.write("trigger", stored)
            spent = time.process_time() - cpu
            measured.cpu += spent
            measured.slowest = max(measured.slowest, spent)
            if now.verdict is not None:
                break
            event = _wait(platform, stored, database, NO_EVENT_WITHIN if is_deferrable else 0.0)
            if is_deferrable:
                database.write("task", {"batch": carried, "event": event})
            wake = WakeEvent.from_json(event)
            measured.wakes += 1
            measured.largest_wake = max(measured.largest_wake, database.written - before)
    measured.wall = platform.now - BEGAN
    measured.written = database.written
    taken = sum(alive * seconds for alive, seconds in platform.occupied.items())
    measured.fullness = taken / (places * sum(platform.occupied.values()))
    return measured


class WriteWhenDue:
    """Keeps the next value of the XCom ``progress`` until a poll finds that it is due."""

    def __init__(self) -> None:
        self._at = float("inf")
        self._latest: Callable[[float], dict[str, Any] | None] = nothing

    def __call__(self, at: float, latest: Callable[[float], dict[str, Any] | None]) -> None:
        self._at, self._latest = at, latest

    def due(self, now: float) -> dict[str, Any] | None:
        """Return what is to be written now, if anything."""
        if now < self._at:
            return None
        self._at = float("inf")
        return self._latest(now)


def _reconciler(platform: Platform, batch: Batch, places: int) -> Reconciler:
    return Reconciler(
        SessionSpec(name="af-reduce", image="images.canfar.net/skaha/astroml:24.07", replicas=batch.replicas),
        batch,
        Limits(max_active=places),
        recorder=OutcomeRecorder(LogReader(), nothing, 1000),
        emit=nothing,
        clock=lambda: platform.now,
        sleep=platform.sleep,
    )


def _wait_spec(platform: Platform, reconciler: Reconciler, now: Plan, places: int) -> dict[str, Any]:
    return wait_spec_for(
        reconciler.batch,
        now,
        Limits(max_active=places),
        RunOptions(poll_interval=POLL_INTERVAL),
        retry_at=reconciler.launcher.retry_at,
        deadline=None,
        now=platform.now,
    ).to_json()


def _wait(
    platform: Platform, stored: dict[str, Any], database: Database, no_event_within: float
) -> dict[str, Any]:
    """Poll as the trigger does, and return its event."""
    began, previous = platform.now, None
    task_wait, writes = task_wait_of(stored), WriteWhenDue()
    task_wait.progress_writes.write = writes
    poll_at = began
    while True:
        platform.pass_time(poll_at)
        snapshot = Snapshot(platform.now, tuple(platform.listed()), previous_at=previous)
        task_wait.observe(snapshot)
        task_wait.progress_writes.request()
        if (progress := writes.due(platform.now)) is not None:
            database.write("progress", progress)
        wake = task_wait.wake(platform.now)
        if wake is not None:
            # Not sooner than Airflow has taken in that the worker let the task go.
            platform.pass_time(max(platform.now, began + no_event_within))
            assert wake.reason is not WakeReason.DUPLICATE
            return wake.to_json()
        previous = platform.now
        due = [platform.now + POLL_INTERVAL, task_wait.wake_at() or float("inf")]
        if platform.now < began + no_event_within:
            due.append(began + no_event_within)
        poll_at = max(platform.now + 1.0, min(due))


def ideal(lifetimes: Sequence[float], places: int) -> float:
    """Return how long the same sessions take where each place is taken again at once."""
    ends = [0.0] * min(places, len(lifetimes))
    for lifetime in lifetimes:
        heapq.heapreplace(ends, ends[0] + lifetime)
    return max(ends)
