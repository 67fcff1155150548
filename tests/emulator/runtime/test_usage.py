"""What sessions use: of all processes of a program, at intervals, and of no other process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_canfar.emulator.runtime.usage import Reading, root_of, usage_between

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.emulator.conftest import Caller

MEGABYTE = 10**6

# The server changes quotes and dollars, so the programs have neither; a TAB separates words.
SPIN = "for\tnothing\tin\titer(int,1):pass"
HOLD = "import\ttime;block=bytearray(200000000);time.sleep(600)"


@pytest.fixture(name="measuring")
def _measuring(make_caller: Callable[..., Caller]) -> Caller:
    return make_caller(metrics_interval=0.2)


def cores(caller: Caller, session: str) -> float:
    return float(caller.session(session).get("cpuCoresInUse", 0))


def ram(caller: Caller, session: str) -> float:
    return float(caller.session(session).get("ramInUse", 0))


def test_a_busy_child_of_a_session_counts(measuring: Caller) -> None:
    session = measuring.shell(f"python3\t-c\t'{SPIN}';true")
    measuring.until(lambda: cores(measuring, session) > 0.1)


def test_the_memory_of_a_session_is_that_of_all_its_processes(measuring: Caller) -> None:
    session = measuring.shell(f"python3\t-c\t'{HOLD}'&python3\t-c\t'{HOLD}';true")
    measuring.until(lambda: ram(measuring, session) >= 0.4)


def test_an_idle_session_uses_nothing_of_a_busy_one(measuring: Caller) -> None:
    idle = measuring.create(cmd="sleep", args="600")
    busy = measuring.shell(f"python3\t-c\t'{SPIN}';true")
    measuring.until(lambda: cores(measuring, busy) > 0.1)
    measuring.until(lambda: "cpuCoresInUse" in measuring.session(idle))
    assert cores(measuring, idle) < 0.05
    assert ram(measuring, idle) < 0.05


def test_the_list_has_texts_with_two_and_three_decimals(measuring: Caller) -> None:
    session = measuring.create(cmd="sleep", args="600")
    measuring.until(lambda: "ramInUse" in measuring.session(session))
    shown = measuring.session(session)
    assert [len(shown[name].partition(".")[2]) for name in ("ramInUse", "cpuCoresInUse")] == [2, 3]


def test_a_session_has_no_figures_before_the_first_measurement_and_after_its_end(
    make_caller: Callable[..., Caller],
) -> None:
    caller = make_caller()
    young = caller.create(cmd="sleep", args="600")
    assert "ramInUse" not in caller.until_status(young, "Running")
    caller.emulator.configure(metrics_interval=0.1)
    caller.until(lambda: "ramInUse" in caller.session(young))
    short = caller.create(cmd="true")
    assert "ramInUse" not in caller.until_status(short, "Completed")


def test_cores_are_an_average_over_the_time_between_two_readings() -> None:
    before, now = Reading(100.0, 10.0, MEGABYTE), Reading(115.0, 40.0, 3 * MEGABYTE)
    assert usage_between(before, now).cores == 2.0
    assert usage_between(before, now).ram == 3 * MEGABYTE


def test_cpu_time_that_vanished_with_a_process_is_no_negative_use() -> None:
    assert usage_between(Reading(100.0, 10.0, 0), Reading(115.0, 9.0, 0)).cores == 0.0


#: 10 is a program's first process, 11 its child, 12 a grandchild that has begun a session of its own, and 13
#: a daemon that has lost its parent. 20 is another program, and 30 none of theirs.
TABLE = {1: (0, 1), 10: (1, 10), 11: (10, 10), 12: (11, 12), 13: (1, 10), 20: (1, 20), 30: (1, 30)}


@pytest.mark.parametrize(
    ("process", "root"), [(10, 10), (11, 10), (12, 10), (13, 10), (20, 20), (30, None), (1, None), (99, None)]
)
def test_a_process_belongs_to_the_program_that_began_it(process: int, root: int | None) -> None:
    assert root_of(process, TABLE, {10, 20}) == root


def test_processes_that_seem_to_be_each_other_s_parents_belong_to_none() -> None:
    assert root_of(2, {2: (3, 2), 3: (2, 3)}, {10}) is None
