from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from dev.demo import ROOT, main
from dev.platforms import Emulator
from dev.programs import Programs, environment
from dev.waiting import until
from tests.processes import is_running


def test_another_demo_in_the_same_folder_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (tmp_path / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert main(["--home", str(tmp_path)]) == 1
    assert "Another demo runs" in capsys.readouterr().err


def test_somebody_elses_folder_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    thesis = tmp_path / "thesis.tex"
    thesis.write_text("Chapter 1")
    assert main(["--home", str(tmp_path)]) == 1
    assert "files that are not the demo's" in capsys.readouterr().err
    assert thesis.read_text() == "Chapter 1"


def test_a_far_platform_needs_a_folder_that_its_sessions_see(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CANFAR_DEFAULT", '{"host": "https://ws-uv.canfar.net", "password": "t"}')
    assert main(["--home", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert f"do not see {tmp_path}/stars" in said
    assert "Set CANFAR_DEMO_FOLDER" in said


def test_a_broken_connection_is_refused_without_showing_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CANFAR_DEFAULT", '{"password": "hunter2"')
    assert main(["--home", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "AIRFLOW_CONN_CANFAR_DEFAULT is no connection" in said
    assert "hunter2" not in said


@pytest.fixture(autouse=True)
def our_own_signal_handlers() -> Iterator[None]:
    """Give back the handlers that main replaces; elsewhere it is a program of its own."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handlers = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, handlers, strict=True):
        signal.signal(number, handler)


class Show:
    """A demo that runs in a program of its own."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self.process = process
        self._output = output
        self._family: list[psutil.Process] = []
        self._ports: set[int] = set()

    @property
    def said(self) -> str:
        return self._output.read_text()

    def wait_until_it_says(self, words: str, seconds: float) -> None:
        def look() -> bool:
            assert self.process.poll() is None, self.said
            return words in self.said

        until(look, for_what=words, seconds=seconds)

    def press_ctrl_c(self) -> int:
        """Interrupt it, and return its exit code."""
        self._family = psutil.Process(self.process.pid).children(recursive=True)
        self._ports = {
            connection.laddr.port
            for process in self._family
            for connection in process.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        }
        assert len(self._family) > 8, "an Airflow, an emulator, and the guardian"
        assert len(self._ports) >= 3, "the API server, and the servers of two logs"
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(60)

    def left_over(self) -> list[str]:
        """Return what is left of it: processes, and ports in use."""
        processes = [
            f"process {process}"
            for process in self._family
            if process.is_running() and is_running(process.pid)
        ]
        return processes + [f"port {port}" for port in self._ports if is_in_use(port)]


def is_in_use(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def demo(folder: Path, *options: str, **variables: str) -> Iterator[Show]:
    """Start a demo as a terminal does: the leader of its own process group."""
    output = folder / "output"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "dev.demo", "--home", str(folder / "home"), *options],
            cwd=ROOT,
            env=environment(without=["AIRFLOW_CONN"], **variables),
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Show(process, output)
    finally:
        process.kill()
        process.wait()


@pytest.mark.airflow
@pytest.mark.long
@pytest.mark.timeout(400)
def test_it_shows_the_stars_and_stays_until_ctrl_c(tmp_path: Path) -> None:
    """``make up``: the same as ``make demo``, but for the end."""
    with demo(tmp_path, "--stay") as show:
        show.wait_until_it_says("Ctrl-C stops everything", seconds=300)
        assert "deferred, holding no worker slot" in show.said
        assert "8 Completed" in show.said
        assert "stars; the brightest" in show.said
        sessions = show.said.partition("its page")[2].split(",")[0].strip()
        assert "CANFAR emulator" in httpx.get(sessions, trust_env=False).text
        page = show.said.partition("Airflow at ")[2].split()[0]
        assert httpx.get(f"{page}/api/v2/dags", trust_env=False).is_success
        assert list((tmp_path / "home" / "stars").glob("*/stars.png"))
        assert show.press_ctrl_c() == 0
        assert show.left_over() == []


@pytest.mark.airflow
@pytest.mark.long
@pytest.mark.timeout(400)
def test_ctrl_c_in_the_middle_leaves_nothing_neither_here_nor_on_the_platform(tmp_path: Path) -> None:
    """The platform is somebody else's, and stays up."""
    with Programs() as programs:
        # The sessions queue for so long that they are certain to be there.
        emulator = Emulator(programs, tmp_path / "emulator", "--start-delay", "600")
        connection = f'{{"host": "{emulator.url}", "password": "token"}}'
        with demo(tmp_path, AIRFLOW_CONN_CANFAR_DEFAULT=connection) as show:
            show.wait_until_it_says("8 Pending", seconds=240)
            assert show.press_ctrl_c() == 130
            assert show.left_over() == []
        record = emulator.all_sessions()
    assert len(record) == 8
    assert [session for session in record if session["live"]] == []
