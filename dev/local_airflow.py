"""A real Airflow on this machine: its four components, on SQLite and free ports."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Event
from typing import Any, Self

from dev.airflow_database import never_reuse_trigger_ids
from dev.airflow_rest import AirflowRest
from dev.programs import Program, Programs, environment, free_ports
from dev.waiting import until

COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")

#: Seconds for the database; 10 on two quiet cores, longer while Python compiles Airflow for the first time.
MIGRATION = 180.0

#: Seconds for the components; 25 on two quiet cores.
START = 180.0


class LocalAirflow:
    """An Airflow that runs while its ``with`` block does.

    :param home: its folder; the database, the logs of its tasks, and the output of its components are there.
    :param dag_folders: where its DAGs are; the folders' names differ.
    :param programs: starts its components, and ends them should this process be killed.
    :param connections: connection id -> its fields, stored in Airflow's database.
    :param env: further environment variables of its components.
    :param stop: set by whoever wants to stop waiting.
    """

    def __init__(
        self,
        home: Path,
        dag_folders: Sequence[Path],
        *,
        programs: Programs,
        connections: Mapping[str, Mapping[str, Any]] | None = None,
        env: Mapping[str, str] | None = None,
        stop: Event | None = None,
    ) -> None:
        self.home = home.resolve()
        self.ports = free_ports(3)
        self.url = f"http://127.0.0.1:{self.ports[0]}"
        self.rest = AirflowRest(self.url, stop)
        self._programs = programs
        self._connections = connections or {}
        # Another Airflow of this person, and its database, are none of our business.
        settings = self._settings(dag_folders) | dict(env or {})
        self._environment = environment(without=["AIRFLOW"], **settings)
        self._stop = stop
        self._running: dict[str, Program] = {}

    def __enter__(self) -> Self:
        """Start it, and wait until all of it is healthy.

        :raises RuntimeError: when a component ends instead, with its last lines.
        :raises TimeoutError: when it takes too long, with everybody's last lines as a note.
        """
        try:
            self._start()
        except BaseException as error:
            if isinstance(error, TimeoutError):
                error.add_note(self.last_lines())
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        """Stop it, and everything that it has started."""
        self.rest.close()
        self._programs.end(*self._running.values())
        self._running.clear()

    def start_component(self, component: str, *options: str, name: str | None = None) -> None:
        """Start one of the four, or a second one of them under a name of its own.

        :param component: as Airflow's command line calls it.
        :param options: of its command line; a second triggerer needs ``--skip-serve-logs``.
        :param name: what it is called here, when that is not the component's name.
        """
        name = name or component
        self._run(name, component, *options)

    def signal_component(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a component and to all that it has started."""
        self._running[name].signal(number, everybody=True)

    def kill_component(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """End a component by a signal, and see that nothing of it is left to hold its port.

        :param number: goes to the component's main process, as ``kill`` sends it.
        """
        program = self._running.pop(name)
        program.signal(number)
        until(lambda: program.exit_code is not None, for_what=f"the end of {name}", seconds=60)
        self._programs.end(program)

    def wait_until_healthy(self, seconds: float = START) -> None:
        """Wait until the API server says that all components are well.

        :raises RuntimeError: when one has ended.
        """
        until(self._is_healthy, for_what="a healthy Airflow", seconds=seconds, stop=self._stop)

    def last_lines(self) -> str:
        """Return the end of each component's output, for people who wonder what went wrong."""
        return "\n".join(f"--- {name}\n{one.last_lines()}" for name, one in self._running.items())

    def _start(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self._migrate()
        for component in COMPONENTS:
            self.start_component(component)
        self.wait_until_healthy()
        for connection_id, fields in self._connections.items():
            self.rest.add_connection(connection_id, **fields)

    def _migrate(self) -> None:
        migration = self._run("db-migrate", "db", "migrate")
        until(
            lambda: migration.exit_code is not None,
            for_what="airflow db migrate",
            seconds=MIGRATION,
            stop=self._stop,
        )
        self._programs.end(self._running.pop("db-migrate"))
        if migration.exit_code:
            raise RuntimeError(f"airflow db migrate failed:\n{migration.last_lines()}")
        never_reuse_trigger_ids(self.home / "airflow.db")

    def _is_healthy(self) -> bool:
        for name, program in self._running.items():
            if program.exit_code is not None:
                raise RuntimeError(f"The {name} has ended:\n{program.last_lines()}")
        health = self.rest.health()
        return bool(health) and set(health.values()) == {"healthy"}

    def _run(self, name: str, *arguments: str) -> Program:
        program = self._running[name] = self._programs.start(
            name,
            [sys.executable, "-m", "airflow", *arguments],
            log=self.home / f"{name}.log",
            env=self._environment,
            folder=self.home,
        )
        return program

    def _settings(self, dag_folders: Sequence[Path]) -> dict[str, str]:
        api, worker_logs, trigger_logs = self.ports
        bundles = [
            {
                "name": f"local-{folder.name}",  # "example_dags" by itself is reserved
                "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
                "kwargs": {"path": str(folder.resolve())},
            }
            for folder in dag_folders
        ]
        return {
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(api),
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(trigger_logs),
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(worker_logs),
            # Workers speak to the API server by httpx, which would take the way through a proxy.
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            "PYTHONUNBUFFERED": "1",
        }
