from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dev.programs import Program, Programs, environment, free_port, free_ports
from dev.waiting import wait_until
from dev.watchdog import processes_of, still_running

#: Starts a child in its own process group, as Airflow starts its tasks, and waits for ever.
PARENT = """
import signal, subprocess, sys
subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], process_group=0)
if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
signal.pause()
"""

#: Starts such a parent, prints its process id, and waits for ever.
OWNER = f"""
import signal, sys
from pathlib import Path
from dev.programs import Programs
from dev.waiting import wait_until
with Programs() as programs:
    program = programs.start("parent", [sys.executable, "-c", {PARENT!r}], log=Path(sys.argv[1]))
    wait_until(lambda: "up" in program.last_lines(), description="the parent", timeout=60)
    print(program.process.pid, flush=True)
    signal.pause()
"""


def start_parent(programs: Programs, log: Path, *options: str) -> Program:
    parent = programs.start("parent", [sys.executable, "-c", PARENT, *options], log=log)
    wait_until(lambda: "up" in parent.last_lines(), description="the parent", timeout=60)
    assert len(processes_of(parent.process.pid)) == 2
    return parent


@pytest.mark.parametrize("options", [[], ["stubborn"]])
def test_no_process_outlives_the_block(tmp_path: Path, options: list[str]) -> None:
    """Neither a child in its own process group, nor a program that ignores SIGTERM."""
    with Programs() as programs:
        parent = start_parent(programs, tmp_path / "first.log", *options)
        programs.terminate(parent, grace_period=0.5)
        assert processes_of(parent.process.pid) == []
        second = start_parent(programs, tmp_path / "second.log")
    assert processes_of(second.process.pid) == []
    assert second.exit_code == -signal.SIGTERM


def test_no_process_outlives_an_owner_that_is_killed(tmp_path: Path) -> None:
    """The watchdog terminates them when the owner cannot."""
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        leader = int(owner.stdout.readline())
        assert len(processes_of(leader)) == 2
        owner.kill()
    wait_until(lambda: not processes_of(leader), description="the end of the parent", timeout=30)


def test_a_signal_reaches_children_too(tmp_path: Path) -> None:
    with Programs() as programs:
        parent = start_parent(programs, tmp_path / "log")
        parent.signal(signal.SIGKILL, include_children=True)
        wait_until(
            lambda: not processes_of(parent.process.pid), description="the end of the parent", timeout=30
        )


def test_the_watchdog_knows_which_programs_are_still_running() -> None:
    assert still_running(["+12\n", "+13\n", "-12\n", "+14\n"]) == [13, 14]
    assert still_running([]) == []


def test_free_ports_are_free_and_differ() -> None:
    ports = free_ports(4)
    assert len(set(ports)) == 4
    for port in ports:
        with socket.socket() as one:
            one.bind(("127.0.0.1", port))


def test_an_environment_drops_variables_by_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql://production")
    monkeypatch.setenv("AIRFLOW_HOME", "/home/user/airflow")
    changed = environment(without=["AIRFLOW"], AIRFLOW_HOME="/home/user/demo")
    assert changed["AIRFLOW_HOME"] == "/home/user/demo"
    assert "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN" not in changed
    assert changed["PATH"] == os.environ["PATH"]


def test_the_next_free_port_follows_the_preferred_one() -> None:
    (preferred,) = free_ports(1)
    assert free_port(preferred) == preferred
    with socket.create_server(("127.0.0.1", preferred)):
        assert preferred < free_port(preferred) < preferred + 100
    with socket.create_server(("", preferred)):
        assert free_port(preferred) > preferred, "a server on all addresses has it, too"


def test_a_port_is_free_at_once_after_its_server_has_closed_a_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        server.accept()[0].close()
        client.close()
    assert free_port(port) == port


def test_only_its_owner_reads_the_output_of_a_program(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with Programs() as programs:
        program = programs.start("true", ["true"], log=log)
        wait_until(lambda: program.exit_code is not None, description="its end", timeout=20)
    assert log.stat().st_mode & 0o777 == 0o600
