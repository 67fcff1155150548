"""A real Airflow on this machine: its components, on SQLite unless told otherwise, and ports of loopback."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Event, RLock
from typing import Any, Self

from dev.airflow_database import never_reuse_trigger_ids
from dev.airflow_rest import AirflowRest
from dev.airflow_settings import USER, airflow_settings
from dev.programs import Program, Programs, environment, free_ports
from dev.waiting import wait_until
from dev.watchdog import processes_of

#: What an Airflow consists of: the command line of each component, by the name of the instance.
COMPONENTS: Mapping[str, Sequence[str]] = {
    name: (name,) for name in ("api-server", "scheduler", "dag-processor", "triggerer")
}

#: Seconds for the database migration; 10 on two idle cores, longer while Python compiles Airflow the first
#: time.
MIGRATION_TIMEOUT = 180.0

#: Seconds for the components to start; 25 on two idle cores, and minutes for many of them on busy ones.
START_TIMEOUT = 400.0


class LocalAirflow:
    """An Airflow that runs for the duration of a ``with`` block.

    :param home: its folder, with the database, the logs of its tasks, and the output of its components.
    :param dag_folders: the folders with its DAGs; their names must differ.
    :param programs: starts its components, and terminates them if this process is killed.
    :param connections: the fields of each connection to store in Airflow's database, by connection id.
    :param env: additional environment variables for its components.
    :param port: of its UI; by default, a free one.
    :param password: of the user ``admin``; by default, it has no login.
    :param stop: when this is set, waiting stops with :class:`~dev.waiting.Interrupted`.
    :param components: the command line of each component, by the name of the instance.
    :param restart: start a component again that exits, as systemd and Kubernetes do; see
        :meth:`check_components`. By default, that is an error.
    """

    def __init__(
        self,
        home: Path,
        dag_folders: Sequence[Path],
        *,
        programs: Programs,
        connections: Mapping[str, Mapping[str, Any]] | None = None,
        env: Mapping[str, str] | None = None,
        port: int | None = None,
        password: str | None = None,
        stop: Event | None = None,
        components: Mapping[str, Sequence[str]] = COMPONENTS,
        restart: bool = False,
    ) -> None:
        self.home = home.resolve()
        ports = free_ports(3)
        ports[0] = port or ports[0]
        self.url = f"http://127.0.0.1:{ports[0]}"
        self.rest = AirflowRest(self.url, stop)
        self._programs = programs
        self._connections = connections or {}
        # Ignore the configuration of another Airflow that the user may have.
        passwords = self.home / "passwords.json" if password else None
        settings = airflow_settings(self.home, dag_folders, url=self.url, ports=ports, passwords=passwords)
        self._environment = environment(without=["AIRFLOW"], **(settings | dict(env or {})))
        self._password = password
        self._passwords = passwords
        self._stop = stop
        self._components = dict(components)
        self._restart = restart
        self._restarting = RLock()
        self._running: dict[str, Program] = {}

    def __enter__(self) -> Self:
        """Start it, and wait until all components are healthy.

        :raises RuntimeError: when a component exits instead, with its last lines.
        :raises TimeoutError: when it takes too long, with the last lines of each component as a note.
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
        """Stop it and everything that it has started."""
        self.rest.close()
        if self._passwords:
            self._passwords.unlink(missing_ok=True)
        self._programs.terminate(*self._running.values())
        self._running.clear()

    @property
    def environment(self) -> dict[str, str]:
        """The environment of its components, and of a shell whose user works with it."""
        return dict(self._environment)

    def start_component(self, name: str, *arguments: str) -> None:
        """Start a component, or another instance of one.

        :param name: the name of the instance.
        :param arguments: its command line, needed for a new instance; the second triggerer of a machine, for
            example, needs ``"triggerer", "--skip-serve-logs"``.
        """
        if arguments:
            self._components[name] = arguments
        self._run(name, *self._components[name])

    def signal_component(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a component and to all processes that it has started."""
        self._running[name].signal(number, include_children=True)

    def kill_component(
        self, name: str, number: signal.Signals = signal.SIGKILL, *, include_children: bool = False
    ) -> None:
        """Kill a component, and make sure that no process of it is left to hold its port.

        :param number: the signal; it goes to the component's main process, as with ``kill``.
        :param include_children: also send it to all its processes at the same time, as when its host dies.
        """
        program = self._running.pop(name)
        program.signal(number, include_children=include_children)
        wait_until(lambda: program.exit_code is not None, description=f"the end of {name}", timeout=60)
        self._programs.terminate(program)

    def processes(self, name: str) -> list[int]:
        """Return the ids of a component's live processes; none while it is not running."""
        program = self._running.get(name)
        return [] if program is None else processes_of(program.process.pid)

    def check_components(self) -> None:
        """Look for components that have exited; start them again if this Airflow is set to ``restart``.

        :raises RuntimeError: when one has exited otherwise, with its last lines.
        """
        with self._restarting:
            for name, program in list(self._running.items()):
                if program.exit_code is None or self._running.get(name) is not program:
                    continue
                if not self._restart:
                    raise RuntimeError(f"The {name} has exited:\n{program.last_lines()}")
                self._programs.terminate(program)
                self.start_component(name)

    def wait_until_healthy(self, timeout: float = START_TIMEOUT) -> None:
        """Wait until the API server reports all components as healthy.

        :raises RuntimeError: when a component has exited.
        """
        wait_until(self._is_healthy, description="a healthy Airflow", timeout=timeout, stop=self._stop)

    def last_lines(self) -> str:
        """Return the last lines of each component's output."""
        return "\n".join(f"--- {name}\n{one.last_lines()}" for name, one in self._running.items())

    def _start(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        # Its configuration, its database and its logs hold secrets.
        self.home.chmod(0o700)
        self._write_password()
        self._migrate()
        for name in self._components:
            self.start_component(name)
        self.wait_until_healthy()
        if not self.rest.refuses_foreign_names():
            raise RuntimeError("Airflow answers to foreign names; it has not loaded its plugin.")
        if self._password:
            self.rest.log_in(USER, self._password)
        for connection_id, fields in self._connections.items():
            self.rest.add_connection(connection_id, **fields)

    def _write_password(self) -> None:
        """Write the password as *SimpleAuthManager* reads it, so that Airflow does not log one of its own."""
        if self._passwords:
            self._passwords.unlink(missing_ok=True)
            with os.fdopen(os.open(self._passwords, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
                json.dump({USER: self._password}, file)

    def _migrate(self) -> None:
        migration = self._run("db-migrate", "db", "migrate")
        wait_until(
            lambda: migration.exit_code is not None,
            description="airflow db migrate",
            timeout=MIGRATION_TIMEOUT,
            stop=self._stop,
        )
        self._programs.terminate(self._running.pop("db-migrate"))
        if migration.exit_code:
            raise RuntimeError(f"airflow db migrate failed:\n{migration.last_lines()}")
        if (sqlite := self.home / "airflow.db").exists():
            never_reuse_trigger_ids(sqlite)

    def _is_healthy(self) -> bool:
        self.check_components()
        health = self.rest.health()
        return bool(health) and set(health.values()) == {"healthy"} and self.rest.serves_workers()

    def _run(self, name: str, *arguments: str) -> Program:
        program = self._running[name] = self._programs.start(
            name,
            [sys.executable, "-m", "airflow", *arguments],
            log=self.home / f"{name}.log",
            env=self._environment,
            folder=self.home,
        )
        return program
