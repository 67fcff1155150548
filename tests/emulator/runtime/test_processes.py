"""The processes of sessions: real programs and real logs, and how they are stopped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airflow_provider_canfar.testing import running_emulator
from tests.emulator.conftest import calling
from tests.processes import is_running

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.emulator.conftest import Caller

IGNORES_TERM = "trap\t''\tTERM;sleep\t600"
needs_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs Linux's /proc")


def logged_numbers(caller: Caller, session: str, count: int) -> list[int]:
    """Wait until a session has logged a number of integers, and return them."""
    caller.until(lambda: len(caller.view(session, "logs").split()) >= count)
    return [int(word) for word in caller.view(session, "logs").split()]


def test_a_signal_gives_the_exit_code_of_a_container(caller: Caller) -> None:
    session = caller.create(cmd="python3", args="-c __import__('os').kill(__import__('os').getpid(),9)")
    caller.until_status(session, "Failed")
    assert caller.record(session)["exit_code"] == 137


def test_the_log_has_standard_output_and_error_in_order(caller: Caller) -> None:
    session = caller.shell("echo\tone;echo\ttwo>&2;echo\tthree")
    caller.until_status(session, "Completed")
    assert caller.view(session, "logs") == "one\ntwo\nthree\n"


def test_a_log_grows_while_its_session_runs(caller: Caller) -> None:
    session = caller.shell("echo\tone;sleep\t600")
    caller.until(lambda: caller.view(session, "logs") == "one\n")
    assert caller.session(session)["status"] == "Running"


@pytest.mark.parametrize(
    ("cmd", "reason"),
    [
        ("no-such-program", 'exec: "no-such-program": executable file not found in $PATH'),
        ("/no/such/program", 'exec: "/no/such/program": no such file or directory'),
        ("/etc", 'exec: "/etc": permission denied'),
        ("python3 run.py", 'exec: "python3 run.py": executable file not found in $PATH'),
        ("", 'exec: "": executable file not found in $PATH'),
    ],
)
def test_a_program_that_cannot_start_fails_with_the_container_runtime_s_message(
    caller: Caller, cmd: str, reason: str
) -> None:
    session = caller.create(cmd=cmd)
    caller.until_status(session, "Failed")
    assert caller.view(session, "logs").startswith("StartError: ")
    assert reason in caller.view(session, "logs")
    assert "StartError" not in caller.view(session, "events")
    assert reason in caller.view(session, "events")
    assert caller.record(session)["exit_code"] == 128


def test_a_deleted_session_is_gone_at_once_and_its_whole_group_is_stopped(caller: Caller) -> None:
    session = caller.shell("sleep\t600&jobs\t-p;sleep\t600&jobs\t-p;wait")
    processes = logged_numbers(caller, session, 3)
    assert all(is_running(process) for process in processes)
    caller.http.delete(f"/session/{session}")
    assert caller.http.get(f"/session/{session}").status_code == 404
    assert caller.http.get("/session").json() == []
    assert caller.view(session, "logs") == ""
    caller.until(lambda: not any(is_running(process) for process in processes))
    caller.until(lambda: caller.record(session)["exit_code"] == 143)
    record = caller.record(session)
    assert record["deleted"] == record["forgotten"]
    assert not record["live"]


def test_a_program_that_ignores_sigterm_is_killed_after_its_grace(
    make_caller: Callable[..., Caller],
) -> None:
    caller = make_caller(grace=0.2)
    session = caller.shell(f"sleep\t600&jobs\t-p;{IGNORES_TERM}")
    (process,) = logged_numbers(caller, session, 1)
    caller.http.delete(f"/session/{session}")
    caller.until(lambda: caller.record(session)["exit_code"] == 137)
    caller.until(lambda: not is_running(process))


def test_a_program_can_exit_by_itself_within_the_grace_period(make_caller: Callable[..., Caller]) -> None:
    caller = make_caller(grace=20)
    session = caller.shell("trap\t'sleep\t0.2;exit\t7'\tTERM;echo\tready;sleep\t600&wait")
    caller.until(lambda: caller.view(session, "logs") == "ready\n")
    caller.http.delete(f"/session/{session}")
    caller.until(lambda: caller.record(session)["exit_code"] == 7)


def test_a_program_s_child_processes_end_with_it(caller: Caller) -> None:
    session = caller.shell("sleep\t600&jobs\t-p")
    caller.until_status(session, "Completed")
    (process,) = logged_numbers(caller, session, 1)
    caller.until(lambda: not is_running(process))


@needs_proc
def test_closing_an_emulator_stops_even_processes_that_left_their_group() -> None:
    with running_emulator(start_delay=0, grace=0.5) as emulator, calling(emulator) as caller:
        fork = "os.fork()\tor\t(os.setsid(),print(os.getpid(),flush=True))"
        session = caller.create(cmd="python3", args=f"-c import\tos,time;{fork};time.sleep(600)")
        processes = logged_numbers(caller, session, 1)
        assert all(is_running(process) for process in processes)
    assert not any(is_running(process) for process in processes)
