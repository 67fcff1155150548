"""An Airflow on PostgreSQL, Redis and Celery, with two schedulers, two triggerers and two workers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psutil

from dev.local_airflow import LocalAirflow
from dev.waiting import wait_until
from tests.cluster.servers import PostgreSQL, Redis, make_reachable
from tests.reliability import conftest as reliability
from tests.reliability.scenario import STEP_TIMEOUT, Scenario, each

if TYPE_CHECKING:
    from dev.airflow_rest import Run
    from dev.programs import Programs

SCHEDULERS = ("scheduler-1", "scheduler-2")
TRIGGERERS = ("triggerer-1", "triggerer-2")
WORKERS = ("worker-1", "worker-2")


def _worker(name: str) -> Sequence[str]:
    # The workers need names of their own, and so do the files with their process ids.
    names = ("--celery-hostname", f"{name}@%h", "--pid", f"{name}.pid")
    return ("celery", "worker", "--skip-serve-logs", "--without-mingle", "--without-gossip", *names)


#: One log server is enough, as all components are on one machine.
COMPONENTS: Mapping[str, Sequence[str]] = {
    "api-server": ("api-server",),
    "dag-processor": ("dag-processor",),
    "scheduler-1": ("scheduler",),
    "scheduler-2": ("scheduler", "--skip-serve-logs"),
    "triggerer-1": ("triggerer",),
    "triggerer-2": ("triggerer", "--skip-serve-logs"),
    **{name: _worker(name) for name in WORKERS},
}

SETTINGS = reliability.TIMEOUTS | {
    # Longer than the API server is away: a worker that repeats another call sends no heartbeat.
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
    # A message that Redis has lost is sent again after this time.
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "60",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "15",
    # A new API server takes long for its first answer on a busy machine: it builds the workers' API then.
    "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "30",
    "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
    "AIRFLOW__CORE__PARALLELISM": "16",
    "AIRFLOW__CELERY__WORKER_CONCURRENCY": "4",
    "AIRFLOW__CELERY__SYNC_PARALLELISM": "1",
}


@dataclass
class Cluster:
    """A running cluster.

    :param airflow: its components; one that exits by itself is started again.
    :param postgresql: the server with Airflow's database and with Celery's results.
    :param redis: the broker.
    """

    airflow: LocalAirflow
    postgresql: PostgreSQL
    redis: Redis

    def kill(self, *names: str) -> None:
        """Kill all processes of components at once, as when their hosts die."""
        for name in names:
            self.airflow.kill_component(name, include_children=True)

    def start_missing(self) -> None:
        """Start the components that were killed."""
        for name in COMPONENTS:
            if not self.airflow.processes(name):
                self.airflow.start_component(name)

    def wait_until_whole(self) -> None:
        """Wait until each component is there and healthy."""
        self.start_missing()
        self.airflow.wait_until_healthy()

    def connected(self, scenario: Scenario, names: Sequence[str]) -> str:
        """Wait until one of some components talks to a scenario's platform, and return its name."""
        port = urlsplit(scenario.platform.url).port

        def has_connection(name: str) -> bool:
            return any(port in _remote_ports(pid) for pid in self.airflow.processes(name))

        return wait_until(
            lambda: next(filter(has_connection, names), ""),
            description=f"one of {', '.join(names)} to talk to the platform",
            timeout=STEP_TIMEOUT,
            interval=0.05,
        )


def check_success(scenario: Scenario, run: Run, replicas: int, *, timeout: float = 240) -> None:
    """Check that a run succeeds with one session per replica, and that the logs have the last line of each.

    :param timeout: seconds to wait for the end of the run.
    """
    scenario.check(run, "success", each(replicas), timeout=timeout)
    log = scenario.log(run)
    assert [one for one in each(replicas) if f"replica {one} has ended" not in log] == [], log


@contextlib.contextmanager
def running_cluster(programs: Programs, folder: Path) -> Iterator[Cluster]:
    """Start a cluster in a folder; a component that exits by itself is started again until the block ends."""
    make_reachable(folder)
    with contextlib.ExitStack() as stack:
        postgresql = PostgreSQL(programs, folder / "postgresql")
        redis = Redis(programs, folder / "redis")
        for server in (postgresql, redis):
            stack.callback(server.stop)
            server.start()
        env = SETTINGS | {
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": postgresql.url,
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{postgresql.url}",
            "AIRFLOW__CELERY__BROKER_URL": redis.url,
        }
        dags = reliability.HERE / "dags"
        airflow = LocalAirflow(
            folder / "airflow", [dags], programs=programs, env=env, components=COMPONENTS, restart=True
        )
        stack.enter_context(airflow)
        stack.enter_context(_restarting(airflow))
        yield Cluster(airflow, postgresql, redis)


@contextlib.contextmanager
def _restarting(airflow: LocalAirflow) -> Iterator[None]:
    """Start components again that exit, once a second until the block ends."""
    stop = Event()

    def run() -> None:
        while not stop.wait(1):
            airflow.check_components()

    thread = Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _remote_ports(pid: int) -> set[int]:
    """Return the ports that a process is connected to; none if it has ended meanwhile."""
    try:
        # A listening socket has an empty address.
        return {port for one in psutil.Process(pid).net_connections("tcp") for port in one.raddr[1:]}
    except psutil.Error:
        return set()
