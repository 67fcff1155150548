"""Terminates the programs that a process has started when that process dies, even by SIGKILL.

The watchdog is a process of its own. It reads from its standard input, one per line, which programs have
started (``+123``) and which have ended (``-123``). At the end of the input its owner has died; the watchdog
then terminates the programs that are still running.

Each program leads a POSIX session (Popen's *start_new_session*). Airflow puts every task into its own process
group, so a process group would not find them all; none of Airflow's processes creates another POSIX session.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterable

import psutil

#: Seconds for a program to exit after SIGTERM; the components of Airflow take two to seven.
GRACE_PERIOD = 10.0


def processes_of(leader: int) -> list[int]:
    """Return the live processes in the POSIX session that a program leads, including itself."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, PermissionError, psutil.Error):
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


def signal_all(processes: Iterable[int], number: signal.Signals) -> None:
    """Send a signal to processes; some of them may have exited meanwhile."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)


def terminate(leaders: Iterable[int], grace_period: float = GRACE_PERIOD) -> None:
    """Terminate programs: SIGTERM twice to each leader, then SIGKILL to every process that is left.

    Airflow's components finish their current work after the first SIGTERM, and abandon it after the second.

    :param leaders: the programs' process ids.
    :param grace_period: seconds for the leaders to exit; children that survive their leader get no more time.
    """
    leaders = list(leaders)
    for _ in range(2):
        signal_all(leaders, signal.SIGTERM)
        last = time.monotonic() + grace_period / 2
        while time.monotonic() < last and any(leader in processes_of(leader) for leader in leaders):
            time.sleep(0.1)
    while left := [process for leader in leaders for process in processes_of(leader)]:
        signal_all(left, signal.SIGKILL)
        time.sleep(0.05)


def still_running(lines: Iterable[str]) -> list[int]:
    """Return the programs that the lines report as started and not as ended."""
    running: dict[int, None] = {}
    for line in lines:
        program = int(line[1:])
        if line.startswith("+"):
            running[program] = None
        else:
            running.pop(program, None)
    return list(running)


if __name__ == "__main__":
    terminate(still_running(sys.stdin))
