"""A demo in its own process, as a terminal starts it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from dev.airflow_rest import AirflowRest
from dev.programs import environment
from dev.stars import ROOT
from dev.waiting import wait_until
from tests.processes import is_running


class DemoProcess:
    """A demo that runs in its own process."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self.process = process
        self._output = output
        self._children: list[psutil.Process] = []
        self._ports: set[int] = set()

    @property
    def output(self) -> str:
        return self._output.read_text()

    def wait_until_it_prints(self, text: str, timeout: float) -> None:
        def is_printed() -> bool:
            assert self.process.poll() is None, self.output
            return text in self.output

        wait_until(is_printed, description=text, timeout=timeout)

    @contextmanager
    def airflow(self) -> Iterator[AirflowRest]:
        """Return a client of the Airflow that it has announced."""
        airflow = AirflowRest(self.output.partition("Airflow is at ")[2].split(",")[0])
        try:
            yield airflow
        finally:
            airflow.close()

    def press_ctrl_c(self) -> int:
        """Interrupt it, and return its exit code."""
        self._children = psutil.Process(self.process.pid).children(recursive=True)
        self._ports = {
            connection.laddr.port
            for process in self._children
            for connection in process.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        }
        assert len(self._children) > 8, "an Airflow, an emulator, and the watchdog"
        assert len(self._ports) >= 3, "the API server and two log servers"
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(60)

    def left_over(self) -> list[str]:
        """Return the processes that are still running and the ports that are still in use."""
        processes = [
            f"process {process}"
            for process in self._children
            if process.is_running() and is_running(process.pid)
        ]
        return processes + [f"port {port}" for port in self._ports if is_in_use(port)]


def empty(folder: Path) -> list[str]:
    """Return the beginning of a command that runs in a mount namespace where this folder is empty."""
    script = 'mount -t tmpfs tmpfs "$0" && exec "$@"'
    return ["unshare", "--map-root-user", "--mount", "sh", "-c", script, str(folder)]


def is_in_use(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def demo(folder: Path, *options: str, without: Path | None = None, **variables: str) -> Iterator[DemoProcess]:
    """Start a demo as a terminal does: as the leader of its own process group.

    :param without: a folder that the demo, and so its Airflow, sees empty.
    """
    output = folder / "output"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [
                *(empty(without) if without else ()),
                *(sys.executable, "-m", "dev.demo", "--home", str(folder / "home")),
                *("--dags", str(folder / "dags"), *options),
            ],
            cwd=ROOT,
            env=environment(without=["AIRFLOW_CONN"], **variables),
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield DemoProcess(process, output)
    finally:
        process.kill()
        process.wait()
