"""The emulator as a program: its command line, and how it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import dev.waiting
from airflow_provider_canfar.emulator.__main__ import PASSWORD_VARIABLE, TOKEN_VARIABLE
from airflow_provider_canfar.emulator.faults.switched import KINDS
from airflow_provider_canfar.testing import Emulator
from tests.emulator.conftest import calling
from tests.emulator.runtime.test_processes import IGNORES_TERM, logged_numbers
from tests.processes import is_running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.emulator.conftest import Caller

COMMAND = [sys.executable, "-m", "airflow_provider_canfar.emulator"]
QUICK = ["--port", "0", "--start-delay", "0", "--grace", "0.5"]
EVERYWHERE = "0.0.0.0"  # noqa: S104 - that it is refused is what is tested
PATIENCE = 30

until = partial(dev.waiting.wait_until, description="a condition of a test", timeout=PATIENCE, interval=0.02)


@contextlib.contextmanager
def program(*options: str, environment: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [*COMMAND, *QUICK, *options],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def announced(running: subprocess.Popen[str]) -> Emulator:
    """Read the first lines of a program's output: its URL, its token and its page."""
    assert running.stdout is not None
    url, token, page = (running.stdout.readline().split()[1] for _ in range(3))
    assert page == url.removesuffix("skaha/v1")
    return Emulator(url, token)


@contextlib.contextmanager
def with_a_session_of_two_processes(emulator: Emulator) -> Iterator[tuple[Caller, list[int]]]:
    with calling(emulator) as caller:
        session = caller.shell(f"sleep\t600&jobs\t-p;{IGNORES_TERM}&jobs\t-p;wait")
        processes = logged_numbers(caller, session, 3)
        assert all(is_running(process) for process in processes)
        yield caller, processes


def test_it_prints_its_url_its_token_and_its_page_and_writes_its_port(tmp_path: Path) -> None:
    with program("--port-file", str(tmp_path / "port"), "--user", "jdoe") as running:
        emulator = announced(running)
        until((tmp_path / "port").exists)
        assert emulator.url == f"http://127.0.0.1:{(tmp_path / 'port').read_text().strip()}/skaha/v1"
        assert len(emulator.token) >= 32
        with calling(emulator) as caller:
            assert caller.session(caller.create(cmd="true"))["userid"] == "jdoe"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_however_it_ends_no_process_of_a_session_remains(number: signal.Signals) -> None:
    with program() as running:
        emulator = announced(running)
        with with_a_session_of_two_processes(emulator) as (caller, processes):
            running.send_signal(number)
            assert running.wait(PATIENCE) == (-9 if number is signal.SIGKILL else 0)
            until(lambda: not any(is_running(process) for process in processes))
            port = caller.http.base_url.port
    with socket.socket() as again, pytest.raises(ConnectionRefusedError):
        again.connect(("127.0.0.1", port))


def test_it_can_end_with_its_parent_process(tmp_path: Path) -> None:
    port_file = tmp_path / "port"
    start = f"""
import subprocess, time
subprocess.Popen({[*COMMAND, *QUICK, "--exit-with-parent", "--port-file", str(port_file)]!r})
time.sleep(600)
"""
    environment = {**os.environ, TOKEN_VARIABLE: "by-variable"}
    with subprocess.Popen(
        [sys.executable, "-c", start], stdout=subprocess.DEVNULL, env=environment
    ) as parent:
        until(port_file.exists)
        emulator = Emulator(f"http://127.0.0.1:{port_file.read_text().strip()}/skaha/v1", "by-variable")
        with with_a_session_of_two_processes(emulator) as (_, processes):
            parent.kill()
            until(lambda: not any(is_running(process) for process in processes))


@pytest.mark.parametrize("package", ["starlette", "uvicorn"])
def test_without_the_extra_one_line_names_it(tmp_path: Path, package: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(f"import sys; sys.modules[{package!r}] = None")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    ended = subprocess.run(COMMAND, env=environment, capture_output=True, text=True, check=False)
    assert ended.stderr == (
        f"The emulator needs the package {package}. Install airflow-provider-canfar[emulator].\n"
    )
    assert (ended.returncode, ended.stdout) == (1, "")


def test_a_given_state_folder_is_kept(tmp_path: Path) -> None:
    with program("--state-folder", str(tmp_path / "state")) as running, calling(announced(running)) as caller:
        session = caller.shell("echo\thi>result")
        caller.until_status(session, "Completed")
        running.terminate()
        running.wait(PATIENCE)
    assert (tmp_path / "state" / "sessions" / session / "work" / "result").read_text() == "hi\n"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("cmd", ["true", "no-such-program"])
def test_only_its_owner_reads_the_state_folder_and_the_logs(tmp_path: Path, cmd: str) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o755)
    with program("--state-folder", str(state)) as running, calling(announced(running)) as caller:
        session = caller.create(cmd=cmd)
        caller.until(lambda: caller.record(session)["ended"] is not None)
    assert [mode(folder) for folder in (state, state / "sessions", state / "arc")] == [0o700] * 3
    assert mode(state / "sessions" / session / "log") == 0o600


def test_a_folder_that_holds_other_things_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "thesis.tex").touch()
    with program("--state-folder", str(tmp_path)) as running:
        announced(running)
    assert (mode(tmp_path), mode(tmp_path / "sessions")) == (0o755, 0o700)


def test_each_start_has_a_token_of_its_own_and_no_password() -> None:
    with program() as one, program("--token", "") as other:
        emulators = [announced(one), announced(other)]
    assert len({emulator.token for emulator in emulators}) == 2
    assert all(len(emulator.token) >= 32 for emulator in emulators)


def test_it_answers_to_loopback_and_to_the_allowed_names() -> None:
    with program("--allow-host", "Laptop.example.org") as running, calling(announced(running)) as caller:
        statuses = {
            host: caller.http.get("/session", headers={"Host": host}).status_code
            for host in ("localhost", "laptop.example.org:8099", "laptop.example.com")
        }
    assert statuses == {"localhost": 200, "laptop.example.org:8099": 200, "laptop.example.com": 421}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_temporary_state_folder_is_deleted(tmp_path: Path, number: signal.Signals) -> None:
    with program(environment={"TMPDIR": str(tmp_path)}) as running, calling(announced(running)) as caller:
        caller.until_status(caller.create(cmd="true"), "Completed")
        assert [*tmp_path.iterdir()]
        running.send_signal(number)
        running.wait(PATIENCE)
    until(lambda: not [*tmp_path.iterdir()])


def test_its_options_reach_the_platform(tmp_path: Path) -> None:
    """The token and the password come from the environment, where no process list shows them."""
    (tmp_path / "tool").write_text("#!/bin/sh\necho hi\n")
    (tmp_path / "tool").chmod(0o755)
    options = [
        *("--image-host", "images.example.org", "--image-host", "images.canfar.net"),
        *(
            "--known-image",
            "images.example.org/lab/*",
            "--image-folder",
            f"images.example.org/lab/*={tmp_path}",
        ),
        *("--retention", "20"),
    ]
    environment = {TOKEN_VARIABLE: "by-variable", PASSWORD_VARIABLE: "sesame"}
    with program(*options, environment=environment) as running:
        emulator = announced(running)
        assert emulator.token == "by-variable"
        with calling(emulator) as caller:
            session = caller.create(image="images.example.org/lab/tool:1", cmd="tool")
            caller.until_status(session, "Completed")
            assert caller.view(session, "logs") == "hi\n"
            assert caller.http.get("/repository").json() == ["images.example.org", "images.canfar.net"]
            form = {"username": "astronomer", "password": "sesame"}
            login = emulator.url.replace("/skaha/v1", "/ac/login")
            assert caller.http.post(login, data=form).status_code == 200


def test_strict_images_the_words_and_faults_can_be_given_at_the_start() -> None:
    options = [
        *(
            "--strict-images",
            "--status-words",
            "documented",
            "--fault",
            'busy={"count": 1}',
            "--fault",
            "html",
        ),
        *("--listed-image", "images.canfar.net/skaha/mine:1=headless,notebook"),
    ]
    with program(*options) as running, calling(announced(running)) as caller:
        assert [caller.http.get("/session").status_code for _ in range(2)] == [503, 502]
        caller.emulator.clear_faults()
        (image,) = caller.http.get("/image").json()
        assert (image["id"], image["types"]) == ("images.canfar.net/skaha/mine:1", ["headless", "notebook"])
        assert caller.post().text.startswith("No authentication provided for unknown or private image.")
        caller.until_status(caller.create(image=image["id"], cmd="false"), "Error")


def test_the_help_says_which_images_run_and_names_every_fault() -> None:
    text = " ".join(
        subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, check=True).stdout.split()
    )
    assert "without this, the emulator runs any images.canfar.net/skaha/*" in text
    assert ", ".join(KINDS) in text


def startup_error(*options: str, environment: dict[str, str] | None = None) -> str:
    ended = subprocess.run(
        [*COMMAND, *options],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env={**os.environ, **(environment or {})},
    )
    assert ended.returncode != 0
    return ended.stderr.splitlines()[-1]


@pytest.mark.parametrize("secret", ["token", "password"])
def test_off_loopback_a_chosen_secret_must_be_long(secret: str) -> None:
    error = startup_error("--host", EVERYWHERE, f"--{secret}", "sesame")
    assert f"{EVERYWHERE} is not loopback: choose a --{secret} of at least 16 characters" in error
    assert "sesame" not in error


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--retention", "-1"], "Option 'retention' must be a number of 0 or more, not -1.0."),
        (["--port", "70000"], "port must be 0-65535"),
        (["--image-folder", "*=/no/such/folder"], "must be PATTERN=FOLDER, and the folder must exist"),
        (["--fault", "busy=often"], "'busy=often' must be KIND or KIND=JSON, where JSON is an object"),
        (
            ["--fault", 'outage={"mode": "refuse", "seconds": 1}'],
            "An outage of mode 'refuse' cannot be on from the start.",
        ),
        (["--fault", "earthquake"], "Unknown fault 'earthquake'; expected one of latency,"),
        (["--status-words", "klingon"], "invalid choice: 'klingon'"),
        (["--image-folder", "*"], "must be PATTERN=FOLDER, and the folder must exist"),
    ],
)
def test_an_invalid_option_is_reported(options: list[str], reason: str) -> None:
    assert reason in startup_error(*options)


def test_a_port_in_use_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as in_use:
        port = in_use.getsockname()[1]
        assert startup_error("--port", str(port)) == (
            f"Cannot listen on 127.0.0.1:{port}: Address already in use. Try --port 0."
        )
