"""Where a scenario plays: a platform of its own, an Airflow that all share; and what is judged in the end."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

import httpx
import psutil

from airflow_provider_canfar.testing import Emulator, running_emulator
from dev.airflow_rest import RUN_ENDS, Run
from dev.waiting import until

if TYPE_CHECKING:
    from dev.local_airflow import LocalAirflow

T = TypeVar("T")

#: The one task of every DAG here.
TASK = "sessions"

#: Seconds for a step that takes some on two quiet cores, and many more where a dozen scenarios share them.
PATIENCE = 150.0

#: Seconds from the end of a run until nothing of it is alive: what Airflow grants an on_kill, and some more.
DESTROYED_WITHIN = 40.0


#: Of changes that Airflow is asked for, one at a time.
_CHANGE = Lock()


@dataclass(frozen=True)
class Row:
    """What came of a scenario.

    :param created: how often -> for how many replicas a session was created that often.
    """

    scenario: str
    created: Mapping[int, int]
    live: int
    outcome: str
    seconds: float


@dataclass
class Stage:
    """One scenario's.

    :param name: the scenario's, and its Airflow connection's.
    :param airflow: shared with other scenarios.
    :param platform: its own, so that its faults and its record are, too.
    :param folder: where its scripts look for files.
    :param report: takes what came of it.
    """

    name: str
    airflow: LocalAirflow
    platform: Emulator
    folder: Path
    report: Callable[[Row], None]
    began: float = field(default_factory=time.monotonic)

    @property
    def closed_gate(self) -> str:
        """A script that runs until :meth:`open_gate`."""
        return f"while [ ! -e {self.folder}/gate ]; do sleep 0.2; done"

    @property
    def three_fail(self) -> str:
        """A script that fails in the first three replicas, until :meth:`mend`."""
        return f"test $REPLICA_ID -gt 3 || test -e {self.folder}/mended"

    def open_gate(self) -> None:
        """Let the sessions of :attr:`closed_gate` end."""
        (self.folder / "gate").touch()

    def mend(self) -> None:
        """Let the replicas of :attr:`three_fail` succeed from now on."""
        (self.folder / "mended").touch()

    def log_in(self, *, timeout: float) -> None:
        """Let Airflow log in for a token from now on, as a user with a password.

        :param timeout: seconds for which an answer of the platform is waited for.
        """
        login = self.platform.url.replace("/skaha/v1", "/ac/login")
        fields = {
            **self.platform.connection,
            "login": "astronomer",
            "password": "password",
            "extra": {"login_url": login, "timeout": timeout},
        }
        change(lambda: self.airflow.rest.change_connection(self.name, **fields))

    def start(self, dag_id: str, script: str, replicas: int) -> Run:
        """Start a run of a DAG."""
        conf = {"script": script, "replicas": replicas, "connection": self.name}
        return change(lambda: self.airflow.rest.trigger(dag_id, conf, seconds=PATIENCE))

    def mark(self, run: Run, state: str) -> None:
        """Mark a run's task as a person would."""
        change(lambda: run.mark_task(TASK, state))

    def clear(self, run: Run) -> None:
        """Clear a run's task as a person would."""
        change(lambda: run.clear(TASK))

    def until(
        self, look: Callable[[], T], for_what: str, *, seconds: float = PATIENCE, every: float = 1.0
    ) -> T:
        """Wait for a condition. Airflow is asked once a second: a dozen scenarios ask at a time."""
        return until(look, for_what=f"{for_what} ({self.name})", seconds=seconds, every=every)

    def until_deferred(self, run: Run, *, try_number: int = 1) -> None:
        """Wait until a try of the task is deferred."""

        def is_deferred() -> bool:
            task = run.task(TASK)
            return (task["state"], task["try_number"]) == ("deferred", try_number)

        self.until(is_deferred, f"try {try_number} to be deferred")

    def until_watched(self, run: Run) -> None:
        """Wait until the task is deferred and its trigger has looked at the platform.

        A kill before that reaches nobody: Airflow deletes a trigger that no triggerer has begun to run.
        """
        self.until_deferred(run)
        subscription = self.platform.requests()["GET /session"]
        self.until_requested("GET /session", subscription + 1)

    def until_requested(self, call: str, times: int = 1) -> None:
        """Wait until a call has been made of the platform so many times, whether it is answered or not."""
        self.until(
            lambda: self.platform.requests().get(call, 0) >= times, f"{times} times {call}", every=0.05
        )

    def until_created(self, count: int) -> None:
        """Wait until so many sessions have been created."""
        self.until(lambda: len(self.platform.all_sessions()) >= count, f"{count} sessions", every=0.05)

    def kill_worker(self, run: Run) -> None:
        """Kill a task's worker with SIGKILL: the supervisor, and the task's own process."""
        instance = run.task(TASK)["id"]
        killed = [process for process in psutil.process_iter() if _runs(process, instance)]
        assert len(killed) == 2, f"a supervisor and a task, not {killed}"
        for process in killed:
            process.kill()
        psutil.wait_procs(killed)

    def terminate_worker(self, run: Run) -> None:
        """Send SIGTERM to the supervisor of a run's task, as a host that shuts down does."""
        instance = run.task(TASK)["id"]
        (supervisor,) = [
            process
            for process in psutil.process_iter()
            if _runs(process, instance) and not _runs(process.parent(), instance)
        ]
        supervisor.terminate()

    def forget_what_has_ended(self) -> None:
        """Let the platform forget, at once, what it forgets after an hour."""
        self.platform.configure(retention=0)
        self.until(
            lambda: all(session["forgotten"] for session in self.platform.all_sessions()),
            "all to be forgotten",
        )
        self.platform.configure(retention=3600)

    def created(self) -> Counter[int]:
        """Count the sessions that were ever created by their replica."""
        return Counter(int(session["replica_id"]) for session in self.platform.all_sessions())

    def most_at_once(self, replica: int | None = None) -> int:
        """Say how many sessions were alive at the same time, of one replica or of all."""
        events = []
        for session in self.platform.all_sessions():
            if replica in (None, int(session["replica_id"])):
                events += [(session["created"], 1), (session["ended"] or float("inf"), -1)]
        alive = [0]
        for _, change in sorted(events):
            alive.append(alive[-1] + change)
        return max(alive)

    def end(self, run: Run, outcome: str, created: Mapping[int, int], *, seconds: float = 240) -> None:
        """Wait for the run's end, and judge it by the platform's own record of every session ever created.

        :param outcome: how the run must end.
        :param created: replica -> how many sessions of it there must have been.
        """
        with contextlib.suppress(TimeoutError):
            self.until(lambda: run.state in RUN_ENDS, "the end of the run", seconds=seconds)
        with contextlib.suppress(TimeoutError):
            # A create that was under way when the task was killed may still come.
            self.until(
                lambda: self.created() == Counter(created) and not self.platform.live(),
                "no session to come or to be alive",
                seconds=DESTROYED_WITHIN,
                every=0.2,
            )
        row = Row(
            self.name,
            Counter(self.created().values()),
            len(self.platform.live()),
            run.state,
            time.monotonic() - self.began,
        )
        self.report(row)
        log = f"\n{self.log(run)}"
        assert row.outcome == outcome, log
        assert self.platform.live() == [], log
        assert self.created() == Counter(created), log
        twins = [replica for replica in created if self.most_at_once(replica) > 1]
        assert twins == [], f"These replicas had two live sessions at a time.{log}"

    def log(self, run: Run) -> str:
        """Return the logs of all tries."""
        tries = range(1, run.task(TASK)["try_number"] + 1)
        return "\n".join(f"--- try {one}\n" + "\n".join(run.log(TASK, one)) for one in tries)


@contextlib.contextmanager
def staged(name: str, airflow: LocalAirflow, folder: Path, report: Callable[[Row], None]) -> Iterator[Stage]:
    """Start a platform for a scenario, and tell Airflow of it."""
    folder.mkdir(parents=True)
    with running_emulator(seed=1) as platform:
        change(lambda: airflow.rest.add_connection(name, **platform.connection))
        yield Stage(name, airflow, platform, folder, report)


def change(ask: Callable[[], T]) -> T:
    """Ask Airflow for a change, and again where its database was busy; nothing has been changed then.

    The API server writes its audit log in its event loop. On SQLite, which lets one write after another, that
    write can wait for one that needs the event loop to be committed, until SQLite gives up.
    """
    with _CHANGE:

        def answer() -> list[T]:
            try:
                return [ask()]
            except httpx.HTTPStatusError as error:
                if error.response.status_code != HTTPStatus.INTERNAL_SERVER_ERROR:
                    raise
                return []

        return until(answer, for_what="a change in Airflow", seconds=PATIENCE)[0]


def each(replicas: int, times: int = 1) -> dict[int, int]:
    """Say that every replica has so many sessions."""
    return dict.fromkeys(range(1, replicas + 1), times)


def table(rows: list[Row]) -> list[str]:
    """Lay out what came of the scenarios."""
    lines = [("scenario", "sessions created", "live at the end", "outcome", "seconds")]
    for row in rows:
        created = ", ".join(f"{times} for {count}" for times, count in sorted(row.created.items()))
        lines.append((row.scenario, created, str(row.live), row.outcome, f"{row.seconds:.0f}"))
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    return ["  ".join(map(_padded, line, widths)).rstrip() for line in lines]


def _padded(text: str, width: int) -> str:
    return text.ljust(width)


def _runs(process: psutil.Process | None, instance: str) -> bool:
    """Whether a process is of a task instance: Airflow writes its id into the process's title."""
    try:
        return process is not None and any(instance in part for part in process.cmdline())
    except psutil.Error:
        return False
