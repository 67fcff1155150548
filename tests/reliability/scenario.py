"""A scenario: its own platform, the Airflow that all scenarios share, and the checks at its end."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import httpx
import psutil

from airflow_provider_canfar.testing import Emulator, running_emulator
from dev.airflow_rest import RUN_END_STATES, Run
from dev.waiting import wait_until
from tests.reliability.busy_airflow import answer, change
from tests.reliability.results import Row

if TYPE_CHECKING:
    import pytest

    from dev.local_airflow import LocalAirflow

T = TypeVar("T")

#: The only task of every DAG here.
TASK = "sessions"

#: Prints the last line of a session.
LAST_LINE = "echo replica $REPLICA_ID has ended"

#: Of the platform's account.
PASSWORD = "correct-horse"

#: Seconds for a step; it takes a few on two idle cores, and many more when a dozen scenarios share them.
STEP_TIMEOUT = 150.0

#: Seconds from the end of a run until its sessions are destroyed: Airflow's time limit for an on_kill, plus
#: some.
DESTROY_TIMEOUT = 40.0


@dataclass
class Scenario:
    """One scenario.

    :param name: the name of the scenario and of its Airflow connection.
    :param airflow: the Airflow that it shares with other scenarios.
    :param platform: its own emulator, so that its faults and sessions affect no other scenario.
    :param folder: where its scripts look for files.
    :param report: called with its result.
    """

    name: str
    airflow: LocalAirflow
    platform: Emulator
    folder: Path
    report: Callable[[Row], None]
    began: float = field(default_factory=time.monotonic)

    @property
    def wait_for_gate(self) -> str:
        """A script that runs until :meth:`open_gate` is called, and then prints a line."""
        return f"while [ ! -e {self.folder}/gate ]; do sleep 0.2; done; {LAST_LINE}"

    @property
    def first_three_fail(self) -> str:
        """A script that fails in the first three replicas, until :meth:`fix` is called."""
        return f"test $REPLICA_ID -gt 3 || test -e {self.folder}/fixed"

    def open_gate(self) -> None:
        """End the sessions of :attr:`wait_for_gate`."""
        (self.folder / "gate").touch()

    def fix(self) -> None:
        """Make the replicas of :attr:`first_three_fail` succeed from now on."""
        (self.folder / "fixed").touch()

    def log_in(self, *, timeout: float) -> None:
        """Change Airflow's connection to a user name and a password, which it exchanges for a token.

        :param timeout: the connection's request timeout in seconds.
        """
        login = self.platform.url.replace("/skaha/v1", "/ac/login")
        fields = {
            **self.platform.connection,
            "login": "astronomer",
            "password": PASSWORD,
            "extra": {"login_url": login, "timeout": timeout},
        }
        change(lambda: self.airflow.rest.update_connection(self.name, **fields))

    def start(self, dag_id: str, script: str, replicas: int) -> Run:
        """Start a run of a DAG."""
        conf = {"script": script, "replicas": replicas, "connection": self.name}
        return change(lambda: self.airflow.rest.trigger(dag_id, conf, timeout=STEP_TIMEOUT))

    def mark(self, run: Run, state: str) -> None:
        """Mark a run's task, as a user would."""
        change(lambda: run.mark_task(TASK, state))

    def clear(self, run: Run) -> None:
        """Clear a run's task, as a user would."""
        change(lambda: run.clear(TASK))

    def wait_until(
        self,
        condition: Callable[[], T],
        description: str,
        *,
        timeout: float = STEP_TIMEOUT,
        interval: float = 1.0,
    ) -> T:
        """Wait until a condition holds. A dozen scenarios poll Airflow at a time, so the interval is long.

        Where Airflow does not answer, as scenarios make it do, the condition does not hold yet.
        """
        value = wait_until(
            lambda: answer(condition),
            description=f"{description} ({self.name})",
            timeout=timeout,
            interval=interval,
        )
        assert value is not None  # for mypy: it is true
        return value

    def wait_until_deferred(self, run: Run, *, try_number: int = 1) -> None:
        """Wait until a try of the task is deferred."""

        def is_deferred() -> bool:
            task = run.task(TASK)
            return (task["state"], task["try_number"]) == ("deferred", try_number)

        self.wait_until(is_deferred, f"try {try_number} to be deferred")

    def wait_until_watched(self, run: Run) -> None:
        """Wait until the task is deferred and its trigger has polled the platform.

        A kill before that has no effect: Airflow deletes a trigger that no triggerer has started.
        """
        self.wait_until_deferred(run)
        polls = self.platform.requests()["GET /session"]
        self.wait_until_requested("GET /session", polls + 1)

    def wait_until_requested(self, call: str, times: int = 1) -> None:
        """Wait until the platform has received a request a number of times, answered or not."""
        self.wait_until(
            lambda: self.platform.requests().get(call, 0) >= times, f"{times} times {call}", interval=0.05
        )

    def wait_until_created(self, count: int) -> None:
        """Wait until this many sessions have been created."""
        self.wait_until(
            lambda: len(self.platform.all_sessions()) >= count, f"{count} sessions", interval=0.05
        )

    def wait_until_logged(self, run: Run, line: str, *, timeout: float = STEP_TIMEOUT) -> None:
        """Wait until the log of a run's first try has a line.

        It is read from its file: nothing else serves it while the API server is away.
        """
        pattern = f"logs/dag_id={run.dag_id}/run_id={run.run_id}/task_id={TASK}/attempt=1.log"
        log = self.airflow.home / pattern
        self.wait_until(
            lambda: log.exists() and line in log.read_text(), f"the log to say {line!r}", timeout=timeout
        )

    def worker(self, run: Run) -> tuple[psutil.Process, psutil.Process]:
        """Return the supervisor of a run's task, and the task's own process."""
        instance = run.task(TASK)["id"]
        running = [process for process in psutil.process_iter() if _runs(process, instance)]
        (task,) = [process for process in running if _runs(process.parent(), instance)]
        (supervisor,) = [process for process in running if process != task]
        return supervisor, task

    def kill_worker(self, run: Run) -> None:
        """Kill a task's worker with SIGKILL: both the supervisor and the task's own process."""
        killed = self.worker(run)
        for process in killed:
            process.kill()
        psutil.wait_procs(killed)

    def kill_supervisor(self, run: Run) -> psutil.Process:
        """Kill the supervisor of a run's task with SIGKILL, and return the task's own process."""
        supervisor, task = self.worker(run)
        supervisor.kill()
        return task

    def terminate_worker(self, run: Run) -> None:
        """Send SIGTERM to the supervisor of a run's task, as a host that shuts down does."""
        supervisor, _ = self.worker(run)
        supervisor.terminate()

    def forget_ended(self) -> None:
        """Make the platform forget ended sessions now instead of after an hour."""
        self.platform.configure(retention=0)
        self.wait_until(
            lambda: all(session["forgotten"] for session in self.platform.all_sessions()),
            "the platform to forget all sessions",
        )
        self.platform.configure(retention=3600)

    def created(self) -> Counter[int]:
        """Count the sessions that were ever created for each replica."""
        return Counter(int(session["replica_id"]) for session in self.platform.all_sessions())

    def max_live(self, replica: int | None = None) -> int:
        """Return the largest number of simultaneously live sessions, of one replica or of all."""
        events = []
        for session in self.platform.all_sessions():
            if replica in (None, int(session["replica_id"])):
                events += [(session["created"], 1), (session["ended"] or float("inf"), -1)]
        alive = [0]
        for _, step in sorted(events):
            alive.append(alive[-1] + step)
        return max(alive)

    def check(self, run: Run, outcome: str, created: Mapping[int, int], *, timeout: float = 240) -> None:
        """Wait for the end of the run, and check the platform's record of every session ever created.

        :param outcome: the expected final state of the run.
        :param created: the expected number of sessions for each replica.
        :param timeout: seconds to wait for the end of the run.
        """
        with contextlib.suppress(TimeoutError):
            self.wait_until(lambda: run.state in RUN_END_STATES, "the end of the run", timeout=timeout)
        with contextlib.suppress(TimeoutError):
            # A create that was in progress when the task was killed may still produce a session.
            self.wait_until(
                lambda: self.created() == Counter(created) and not self.platform.live(),
                "all sessions to be created and ended",
                timeout=DESTROY_TIMEOUT,
                interval=0.2,
            )
        row = Row(
            self.name,
            Counter(self.created().values()),
            len(self.platform.live()),
            self.wait_until(lambda: run.state, "the run's state"),
            time.monotonic() - self.began,
        )
        self.report(row)
        log = "\n" + self.wait_until(lambda: self.log(run), "the logs")
        assert row.outcome == outcome, log
        assert self.platform.live() == [], log
        assert self.created() == Counter(created), log
        duplicated = [replica for replica in created if self.max_live(replica) > 1]
        assert duplicated == [], f"These replicas had two live sessions at the same time.{log}"

    def log(self, run: Run) -> str:
        """Return the logs of all tries."""
        tries = range(1, run.task(TASK)["try_number"] + 1)
        return "\n".join(f"--- try {one}\n" + "\n".join(_log(run, one)) for one in tries)


@contextlib.contextmanager
def run_scenario(
    name: str, airflow: LocalAirflow, folder: Path, report: Callable[[Row], None]
) -> Iterator[Scenario]:
    """Start an emulator for a scenario, and add a connection to it."""
    folder.mkdir(parents=True)
    with running_emulator(seed=1, password=PASSWORD) as platform:
        change(lambda: airflow.rest.add_connection(name, **platform.connection))
        yield Scenario(name, airflow, platform, folder, report)


def _log(run: Run, try_number: int) -> list[str]:
    """Return the log of a try; Airflow knows none of a try that has ended before its worker reported it."""
    try:
        return run.log(TASK, try_number)
    except httpx.HTTPStatusError as error:
        if error.response.status_code != httpx.codes.NOT_FOUND:
            raise
        return []


def each(replicas: int, times: int = 1) -> dict[int, int]:
    """Return the same number of sessions for every replica."""
    return dict.fromkeys(range(1, replicas + 1), times)


def name_of(test: pytest.Item) -> str:
    """Derive a scenario's name from its test; a connection id may have letters, digits and underscores."""
    return test.name.removeprefix("test_").replace("[", "_").rstrip("]").replace("-", "_")


def _runs(process: psutil.Process | None, instance: str) -> bool:
    """Return whether a process belongs to a task instance: Airflow puts its id into the process's title."""
    try:
        return process is not None and any(instance in part for part in process.cmdline())
    except psutil.Error:
        return False
