"""Ends the programs that a process has started when that process is gone, however it went.

It runs as a program of its own, and is told, line by line on its standard input, which programs run
(``+123``) and which have ended (``-123``). Its input ends when its owner has ended; whoever still runs then
is ended too.

A program here leads a POSIX session (Popen's *start_new_session*). Airflow puts every task into a process
group of its own, so a group is not enough to find them all; none of them makes a new POSIX session.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterable

import psutil

#: Seconds for a program to end by itself; the components of an Airflow take two to seven.
GRACE = 10.0


def followers(leader: int) -> list[int]:
    """Return the living processes of a program: all in the POSIX session that it leads, itself included."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, PermissionError, psutil.Error):
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


def signal_all(processes: Iterable[int], number: signal.Signals) -> None:
    """Send a signal to processes, some of which may have ended meanwhile."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)


def end(leaders: Iterable[int], grace: float = GRACE) -> None:
    """End programs: TERM to each leader, once more after half of a grace, and then KILL to all that are left.

    Airflow's components finish the work at hand after a first TERM, and drop it after a second.

    :param leaders: the programs' process ids.
    :param grace: seconds for the leaders to end by themselves; who survives its leader gets no more time.
    """
    leaders = list(leaders)
    for _ in range(2):
        signal_all(leaders, signal.SIGTERM)
        last = time.monotonic() + grace / 2
        while time.monotonic() < last and any(leader in followers(leader) for leader in leaders):
            time.sleep(0.1)
    while left := [process for leader in leaders for process in followers(leader)]:
        signal_all(left, signal.SIGKILL)
        time.sleep(0.05)


def left_over(lines: Iterable[str]) -> list[int]:
    """Return the programs that were told of as running, and not as ended."""
    running: dict[int, None] = {}
    for line in lines:
        program = int(line[1:])
        if line.startswith("+"):
            running[program] = None
        else:
            running.pop(program, None)
    return list(running)


if __name__ == "__main__":
    end(left_over(sys.stdin))
