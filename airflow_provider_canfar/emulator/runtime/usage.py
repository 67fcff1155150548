"""What the sessions' processes use, measured at intervals as the cluster's metrics-server measures pods."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import psutil

from airflow_provider_canfar.emulator.runtime.sessions import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from airflow_provider_canfar.emulator.runtime.processes import Program
    from airflow_provider_canfar.emulator.runtime.sessions import Session

#: The share of an interval that a program has to run before its first measurement: with the usual interval,
#: the 10 s of the metrics-server (*freshContainerMinMetricsResolution*).
FRESH = 2 / 3

#: The longest sleep, so that a changed interval is noticed, and the shortest.
MAX_SLEEP, MIN_SLEEP = 1.0, 0.05


@dataclass(frozen=True)
class Reading:
    """What all processes of a program have used so far.

    :param at: seconds of the monotonic clock.
    :param cpu: seconds of CPU time, those of children that have ended included.
    :param ram: bytes of resident memory; what processes share counts for each of them.
    """

    at: float
    cpu: float
    ram: int


def usage_between(before: Reading, now: Reading) -> Usage:
    """Return what was used in the time between two readings."""
    # The CPU time of an orphaned process vanishes with the process.
    return Usage(cores=max(0.0, now.cpu - before.cpu) / (now.at - before.at), ram=now.ram)


def root_of(process: int, table: Mapping[int, tuple[int, int]], roots: Collection[int]) -> int | None:
    """Return the program that a process belongs to, or None.

    A daemon has lost its parent and keeps its session; a child that has begun a session keeps its parent.

    :param table: the parent and the session's leader of each process.
    :param roots: the first process of each program.
    """
    for _ in table:  # the table is no snapshot: an id that was reused could make a circle
        if process in roots:
            return process
        if process not in table:
            return None
        parent, leader = table[process]
        if leader in roots:
            return leader
        process = parent
    return None


def read(roots: Collection[int]) -> dict[int, Reading]:
    """Read what programs have used so far; takes milliseconds for each hundred processes of the machine.

    :param roots: the first process of each program.
    """
    processes = {process.pid: process for process in psutil.process_iter()}
    table = {}
    for process in processes.values():
        with contextlib.suppress(psutil.Error, OSError):  # it has ended
            table[process.pid] = (process.ppid(), os.getsid(process.pid))
    readings: dict[int, Reading] = {}
    now = time.monotonic()
    for number in table:
        root = root_of(number, table, roots)
        if root is not None:
            with contextlib.suppress(psutil.Error):  # it has ended, or belongs to another user
                times, ram = processes[number].cpu_times(), processes[number].memory_info().rss
                cpu = times.user + times.system + times.children_user + times.children_system
                so_far = readings.get(root, Reading(now, 0.0, 0))
                readings[root] = Reading(now, so_far.cpu + cpu, so_far.ram + ram)
    return readings


class UsageMeter:
    """Measures all running programs at intervals, and writes what they use into their sessions.

    :param programs: returns the running programs, by session.
    :param interval: returns the seconds between two measurements.
    """

    def __init__(
        self, programs: Callable[[], Mapping[Session, Program]], interval: Callable[[], float]
    ) -> None:
        self._programs = programs
        self._interval = interval
        self._readings: dict[int, Reading] = {}

    async def __aenter__(self) -> Self:
        """Start measuring."""
        self._task = asyncio.create_task(self._run(), name="usage")
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Stop measuring."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def measure(self) -> None:
        """Measure all running programs now."""
        programs = dict(self._programs())
        roots = {program.group for program in programs.values()}
        readings = await asyncio.to_thread(read, roots) if roots else {}
        kept: dict[int, Reading] = {}
        for session, program in programs.items():
            now, before = readings.get(program.group), self._readings.get(program.group)
            if now is None or program.exited.done():
                continue
            if before is None or before.at < program.started:  # another program has had its number
                before = Reading(program.started, 0.0, 0)
                if now.at - before.at < FRESH * self._interval():
                    continue
            kept[program.group] = now
            session.usage = usage_between(before, now)
        self._readings = kept

    async def _run(self) -> None:
        measured = time.monotonic()
        while True:
            await asyncio.sleep(min(max(self._interval(), MIN_SLEEP), MAX_SLEEP))
            if time.monotonic() - measured >= self._interval():
                measured = time.monotonic()
                await self.measure()
