from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from airflow_provider_canfar.testing import running_emulator
from dev.airflow_rest import AirflowRest, Run
from dev.demo import main
from dev.demo_home import FIRST_DAG
from dev.platforms import Emulator
from dev.programs import Programs, environment
from dev.stars import DAG, ROOT
from dev.waiting import wait_until
from tests.processes import is_running


def test_a_second_demo_in_the_same_folder_is_rejected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (tmp_path / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert main(["--home", str(tmp_path)]) == 1
    assert "Another demo is running" in capsys.readouterr().err


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    thesis = tmp_path / "thesis.tex"
    thesis.write_text("Chapter 1")
    assert main(["--home", str(tmp_path)]) == 1
    assert "files that do not belong to a demo" in capsys.readouterr().err
    assert thesis.read_text() == "Chapter 1"


@pytest.mark.parametrize(
    ("url", "reason"),
    [("http://127.0.0.1:9/arc", "127.0.0.1:9"), ("{root}/emulator", "Could not read|failed|not a storage")],
)
def test_an_account_without_a_storage_is_reported_before_anything_starts(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    url: str,
    reason: str,
) -> None:
    """The sessions get their input through it."""
    with running_emulator() as emulator:
        extra = {"storage_url": url.format(root=emulator.url.removesuffix("/skaha/v1"))}
        monkeypatch.setenv("AIRFLOW_CONN_CANFAR_DEFAULT", json.dumps(emulator.connection | {"extra": extra}))
        assert main(["--home", str(tmp_path / "home")]) == 1
    error = capsys.readouterr().err
    assert "AIRFLOW_CONN_CANFAR_DEFAULT does not work" in error
    assert re.search(reason, error)
    assert [*tmp_path.iterdir()] == []


def test_a_broken_connection_is_rejected_without_showing_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CANFAR_DEFAULT", '{"password": "hunter2"')
    assert main(["--home", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert "AIRFLOW_CONN_CANFAR_DEFAULT is not a valid connection" in error
    assert "hunter2" not in error


@pytest.mark.parametrize("options", [[], ["--stay"]])
def test_a_connection_that_does_not_work_is_reported_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    home, dags = tmp_path / "home", tmp_path / "dags"
    with running_emulator() as emulator:
        connection = emulator.connection | {"password": "hunter2"}
        monkeypatch.setenv("AIRFLOW_CONN_CANFAR_DEFAULT", json.dumps(connection))
        assert main(["--home", str(home), "--dags", str(dags), *options]) == 1
    error = capsys.readouterr().err
    assert "AIRFLOW_CONN_CANFAR_DEFAULT does not work" in error
    assert "token is invalid or has expired" in error
    assert "hunter2" not in error
    assert [*tmp_path.iterdir()] == []


@pytest.fixture(autouse=True)
def restored_signal_handlers() -> Iterator[None]:
    """Restore the handlers that main replaces; usually main runs in its own process."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handlers = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, handlers, strict=True):
        signal.signal(number, handler)


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


def is_in_use(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def demo(folder: Path, *options: str, **variables: str) -> Iterator[DemoProcess]:
    """Start a demo as a terminal does: as the leader of its own process group."""
    output = folder / "output"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [
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


GUARD = """
import os, pathlib, sys

def refuse(event, arguments):
    if event in ("open", "os.listdir", "os.scandir") and isinstance(arguments[0], (str, bytes)):
        if os.fsdecode(arguments[0]).startswith({sessions!r}):
            pathlib.Path({refused!r}).touch()
            raise PermissionError(f"Airflow may not read {{arguments[0]!r}}.")

if "airflow" in sys.orig_argv:
    sys.addaudithook(refuse)
    pathlib.Path({guarded!r}).touch()
"""


@pytest.fixture(name="guard")
def _guard(tmp_path: Path) -> Iterator[str]:
    """Return a folder for PYTHONPATH, with which no process of Airflow can read the sessions' files."""
    folder = tmp_path / "guard"
    folder.mkdir()
    guarded, refused = folder / "guarded", folder / "refused"
    sessions = str(tmp_path / "home" / "emulator" / "state")
    text = GUARD.format(sessions=sessions, guarded=str(guarded), refused=str(refused))
    (folder / "sitecustomize.py").write_text(text)
    yield str(folder)
    assert guarded.exists()
    assert not refused.exists()


@pytest.mark.airflow
@pytest.mark.long
@pytest.mark.timeout(900)
def test_make_up_prints_the_stars_and_runs_until_ctrl_c(tmp_path: Path, guard: str) -> None:
    """``make demo`` does the same, except that it stops at the end."""
    with demo(tmp_path, "--stay", PYTHONPATH=guard) as process:
        process.wait_until_it_prints("Press Ctrl-C to stop everything", timeout=300)
        assert "deferred, holding no worker slot" in process.output
        assert "8 Completed" in process.output
        assert "stars; the brightest" in process.output
        sessions = process.output.partition("its page")[2].split()[0]
        assert "CANFAR emulator" in httpx.get(sessions, timeout=60, trust_env=False).text
        with process.airflow() as airflow:
            assert airflow.refuses_foreign_names()
            airflow.add_connection("mine", conn_type="canfar", host="x.test")
            own_run = airflow.trigger("my_first_dag")
            assert own_run.wait(timeout=120) == "success"
            (tmp_path / "dags" / "new.py").write_text(FIRST_DAG.replace("my_first_dag", "new"))
            # Five seconds on an idle machine.
            wait_until(lambda: airflow.has_dag("new"), description="a new file", timeout=20)
        (picture,) = (tmp_path / "home" / "stars").glob("*/stars.png")
        assert process.press_ctrl_c() == 0
        assert process.left_over() == []
    (tmp_path / "dags" / "new.py").write_text("from airflow.sdk import dag\nimport not_installed")
    with demo(tmp_path, "--stay") as process:
        process.wait_until_it_prints("Press Ctrl-C to stop everything", timeout=300)
        assert "stars; the brightest" in process.output, "despite a broken file of the user's"
        with process.airflow() as airflow:
            assert airflow.request("GET", "/connections/mine")["host"] == "x.test"
            assert Run(airflow, "my_first_dag", own_run.run_id).log("greet")
        assert picture.exists()
        assert process.press_ctrl_c() == 0


@pytest.mark.airflow
@pytest.mark.long
@pytest.mark.timeout(400)
def test_ctrl_c_during_the_run_stops_all_processes_and_destroys_all_sessions(tmp_path: Path) -> None:
    """Even on a platform that the demo has not started."""
    with Programs() as programs:
        # The sessions stay in the queue until the demo is interrupted.
        emulator = Emulator(programs, tmp_path / "emulator", "--start-delay", "600")
        connection = json.dumps({"host": emulator.url, "password": emulator.token})
        with demo(tmp_path, AIRFLOW_CONN_CANFAR_DEFAULT=connection) as process:
            process.wait_until_it_prints("8 Pending", timeout=240)
            assert process.press_ctrl_c() == 130
            assert process.left_over() == []
        sessions = emulator.all_sessions()
    assert len(sessions) == 8
    assert [session for session in sessions if session["live"]] == []


@pytest.mark.airflow
@pytest.mark.long
@pytest.mark.timeout(400)
def test_make_up_on_an_account_has_a_login_and_keeps_the_token_to_itself(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with Programs() as programs:
        emulator = Emulator(programs, tmp_path / "emulator", "--user", "jdoe")
        connection = json.dumps(emulator.connection)
        with demo(tmp_path, "--stay", AIRFLOW_CONN_CANFAR_DEFAULT=connection) as process:
            process.wait_until_it_prints("Press Ctrl-C to stop everything", timeout=240)
            assert "jdoe (the bearer token)" in process.output
            assert "The stars are left out" in process.output
            assert process.output.count("with the password ") == 1
            password = process.output.partition("with the password ")[2].split()[0]
            with process.airflow() as airflow:
                assert airflow.refuses_foreign_names()
                for path in ("/api/v2/dags", "/auth/token", "/auth/token/login"):
                    response = httpx.get(f"{airflow.url}{path}", timeout=60, trust_env=False)
                    assert response.status_code in (401, 403)
                airflow.log_in("admin", password)
                # A user of Airflow's page cannot send the token elsewhere.
                elsewhere = "http://127.0.0.1:9/skaha/v1"
                airflow.add_connection("canfar_default", conn_type="canfar", host=elsewhere)
                assert airflow.request("GET", "/dags/asset_driven")["is_paused"]
                run = airflow.trigger("my_first_dag")
                airflow.unpause("my_first_dag")
                assert run.wait(timeout=120) == "success"
            assert [session["exit_code"] for session in emulator.all_sessions()] == [0, 0]
            files = {file: file.read_bytes() for file in home.rglob("*") if file.is_file()}
            assert [file for file, content in files.items() if emulator.token.encode() in content] == []
            passwords = home / "passwords.json"
            assert [file for file, content in files.items() if password.encode() in content] == [passwords]
            assert stat.S_IMODE(passwords.stat().st_mode) == 0o600
            assert process.press_ctrl_c() == 0
            assert process.left_over() == []
        assert not passwords.exists()


@pytest.mark.airflow
@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_killed_demo_s_run_does_not_go_on_beside_the_next_one(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        process.wait_until_it_prints("8 Pending", timeout=240)
        process.process.kill()
    with demo(tmp_path, "--stay") as process:
        process.wait_until_it_prints("Press Ctrl-C to stop everything", timeout=300)
        with process.airflow() as airflow:
            runs = airflow.request("GET", f"/dags/{DAG}/dagRuns", params={"order_by": "id"})["dag_runs"]
        assert [run["state"] for run in runs] == ["failed", "success"]
        assert process.press_ctrl_c() == 0
