from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dev.guardian import followers, left_over
from dev.programs import Program, Programs, environment, free_ports
from dev.waiting import until

#: Starts a child in a process group of its own, as Airflow starts its tasks, and waits for ever.
FAMILY = """
import signal, subprocess, sys
subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], process_group=0)
if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
signal.pause()
"""

#: Starts such a family, tells its number, and waits for ever.
OWNER = f"""
import signal, sys
from pathlib import Path
from dev.programs import Programs
from dev.waiting import until
with Programs() as programs:
    program = programs.start("family", [sys.executable, "-c", {FAMILY!r}], log=Path(sys.argv[1]))
    until(lambda: "up" in program.last_lines(), for_what="the family", seconds=60)
    print(program.process.pid, flush=True)
    signal.pause()
"""


def start_family(programs: Programs, log: Path, *options: str) -> Program:
    family = programs.start("family", [sys.executable, "-c", FAMILY, *options], log=log)
    until(lambda: "up" in family.last_lines(), for_what="the family", seconds=60)
    assert len(followers(family.process.pid)) == 2
    return family


@pytest.mark.parametrize("options", [[], ["stubborn"]])
def test_nobody_outlives_the_block(tmp_path: Path, options: list[str]) -> None:
    """Neither a child in a group of its own, nor a program that ignores TERM."""
    with Programs() as programs:
        family = start_family(programs, tmp_path / "first.log", *options)
        programs.end(family, grace=0.5)
        assert followers(family.process.pid) == []
        second = start_family(programs, tmp_path / "second.log")
    assert followers(second.process.pid) == []
    assert second.exit_code == -signal.SIGTERM


def test_nobody_outlives_an_owner_who_is_killed(tmp_path: Path) -> None:
    """The guardian sees to it when the owner has no chance to."""
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        leader = int(owner.stdout.readline())
        assert len(followers(leader)) == 2
        owner.kill()
    until(lambda: not followers(leader), for_what="the end of the family", seconds=30)


def test_a_signal_reaches_everybody(tmp_path: Path) -> None:
    with Programs() as programs:
        family = start_family(programs, tmp_path / "log")
        family.signal(signal.SIGKILL, everybody=True)
        until(lambda: not followers(family.process.pid), for_what="the end of the family", seconds=30)


def test_the_guardian_knows_who_is_left() -> None:
    assert left_over(["+12\n", "+13\n", "-12\n", "+14\n"]) == [13, 14]
    assert left_over([]) == []


def test_free_ports_are_free_and_differ() -> None:
    ports = free_ports(4)
    assert len(set(ports)) == 4
    for port in ports:
        with socket.socket() as one:
            one.bind(("127.0.0.1", port))


def test_an_environment_leaves_out_what_begins_with_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql://production")
    monkeypatch.setenv("AIRFLOW_HOME", "/home/somebody/airflow")
    changed = environment(without=["AIRFLOW"], AIRFLOW_HOME="/home/somebody/demo")
    assert changed["AIRFLOW_HOME"] == "/home/somebody/demo"
    assert "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN" not in changed
    assert changed["PATH"] == os.environ["PATH"]
