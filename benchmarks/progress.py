"""The cost of the XCom ``progress`` while a thousand tasks wait: CPU of their shared poll, and writes.

Each task has four sessions, of which none, one or three end during a minute. That minute is measured with and
without the XCom, in two processes at the same time, which other programs disturb alike. What Airflow does to
write a value is not measured.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from _runs import account  # type: ignore[import-not-found] # A module in the same folder.

TASKS = 1000
SESSIONS = 4
INTERVAL = 5.0
WARM = 20.0
SECONDS = 60.0

#: How many of a task's sessions end in the minute.
ENDS = (0, 1, 3)


async def measure(url: str, ends_per_task: int, *, has_progress: bool) -> dict[str, float]:
    """Let the tasks wait for a minute, and return the measurements."""
    from _waiters import control  # type: ignore[import-not-found] # A module in the same folder.

    from airflow_provider_canfar.hooks import _airflow_compat
    from airflow_provider_canfar.hooks._log import LogLinesMixin
    from airflow_provider_canfar.task_sessions.wait_spec import WaitSpec
    from airflow_provider_canfar.triggers.session import CanfarSessionTrigger

    writes = 0

    async def aset(key: str, value: Any, **_: Any) -> None:
        nonlocal writes
        writes += 1

    _airflow_compat.trigger_xcom_set = lambda: aset if has_progress else None
    # Airflow's log is not what is measured here.
    LogLinesMixin._emit = lambda self, line: None  # type: ignore[method-assign]  # noqa: SLF001 - as said

    def trigger(task: int) -> CanfarSessionTrigger:
        ids = [f"s{number:07d}" for number in range(task * SESSIONS + 1, (task + 1) * SESSIONS + 1)]
        names = {one: f"reduce-k3v5x2qamd-0-{replica}-1" for replica, one in enumerate(ids, 1)}
        progress = {"states": "r" * SESSIONS, "since": time.time(), "try_number": 1}
        spec = WaitSpec(f"{task:010d}", names, since=time.time(), progress=progress)
        one = CanfarSessionTrigger(
            wait_spec=spec.to_json(),
            poll_interval=INTERVAL,
            task_instance={"dag_id": "d", "run_id": "r", "task_id": f"t{task}"},
        )
        one.trigger_id = task
        return one

    waiting = [asyncio.ensure_future(anext(trigger(task).run())) for task in range(TASKS)]
    await asyncio.sleep(WARM)
    await control(url, "reset")
    cpu, began, before = time.process_time(), time.perf_counter(), writes
    chance = random.Random(1)  # noqa: S311 - not for a secret
    ends = [
        (chance.uniform(0, SECONDS), task * SESSIONS + nth)
        for task in range(TASKS)
        for nth in range(1, ends_per_task + 1)
    ]
    for second in range(int(SECONDS)):
        ids = [f"s{number:07d}" for moment, number in ends if second <= moment < second + 1]
        if ids:
            await control(url, f"end?ids={','.join(ids)}")
        await asyncio.sleep(max(0.0, began + second + 1 - time.perf_counter()))
    measured = time.process_time() - cpu
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    return {"cpu": measured, "writes": writes - before, "ends": len(ends)}


async def write_cost() -> float:
    """Return the CPU in ms of one write, where all tasks write at once.

    Where other programs have the processors, it is steadier than the difference of two processes.
    """
    from airflow_provider_canfar.hooks._progress import ProgressWriter, WriteQueue
    from airflow_provider_canfar.task_sessions.progress import Progress, ProgressWrites
    from airflow_provider_canfar.task_sessions.replica_states import ReplicaState, ReplicaStates

    has_written, written, queue, waits = asyncio.Event(), 0, WriteQueue(), []

    async def write(value: dict[str, Any]) -> None:
        nonlocal written
        written += 1
        if written == TASKS:
            has_written.set()

    for _ in range(TASKS):
        states = ReplicaStates("r" * SESSIONS)
        writes = ProgressWrites(Progress("r" * SESSIONS, since=1.0), states, since=0.0)
        writes.write = ProgressWriter(write, queue)
        waits.append((states, writes))
    cpu = time.process_time()
    for states, writes in waits:
        states.set("reduce-k3v5x2qamd-0-1-1", ReplicaState.SUCCEEDED)
        writes.request()
    await has_written.wait()
    return 1000 * (time.process_time() - cpu) / TASKS


def run(way: str, ends_per_task: int) -> dict[str, float]:
    """Measure one way in a process of its own."""
    with account(TASKS * SESSIONS) as url:
        command = [sys.executable, __file__, f"--url={url}", f"--way={way}", f"--ends={ends_per_task}"]
        output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout  # noqa: S603 - ours
    measured: dict[str, float] = json.loads(output.splitlines()[-1])
    return measured


def measure_here(url: str, way: str, ends_per_task: int) -> None:
    """Measure one way in this process, and print what was measured."""
    connection = {"conn_type": "canfar", "host": f"{url}/skaha/v1", "password": "a-token"}
    os.environ["AIRFLOW_CONN_CANFAR_DEFAULT"] = json.dumps(connection)
    with tempfile.TemporaryDirectory() as home:
        os.environ["AIRFLOW_HOME"] = home
        logging.disable(logging.INFO)
        print(json.dumps(asyncio.run(measure(url, ends_per_task, has_progress=way == "on"))))


def compare(times: int) -> None:
    """Measure pairs, and print a table."""
    cpu: dict[tuple[str, int], list[float]] = {}
    writes: dict[int, float] = {}
    runs = [(way, ends) for ends in ENDS for way in ("off", "on")]
    with ThreadPoolExecutor(len(runs)) as pool:
        for _ in range(times):
            for (way, ends), one in zip(runs, pool.map(lambda each: run(*each), runs), strict=True):
                cpu.setdefault((way, ends), []).append(1000 * one["cpu"] * INTERVAL / SECONDS)
                writes[ends] = one["writes"] / TASKS
    print(f"{f'{TASKS:,} tasks, per task and minute':34}{'CPU ms per poll, median':>30}{'median':>10}")
    print(f"{'ends':>10}{'writes':>10}{'without':>34}{'with':>10}{'ratio':>10}   pairs")
    for ends in ENDS:
        off, on = cpu["off", ends], cpu["on", ends]
        ratios = sorted(with_it / without for without, with_it in zip(off, on, strict=True))
        print(
            f"{ends:10}{writes[ends]:10.2f}{statistics.median(off):34.1f}{statistics.median(on):10.1f}"
            f"{statistics.median(ratios):10.2f}   {' '.join(f'{ratio:.2f}' for ratio in ratios)}"
        )
    cost = statistics.median(asyncio.run(write_cost()) for _ in range(30))
    print(f"one write takes {1000 * cost:.0f} µs apart from Airflow's own work, which adds to a poll", end="")
    for ends in ENDS[1:]:
        added = cost * writes[ends] * TASKS * INTERVAL / SECONDS
        print(f" {added:.1f} ms ({added / statistics.median(cpu['off', ends]):.1%})", end="")
    print("\naim: below 1.10, 10%")


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=1, help="how many pairs of each")
    parser.add_argument("--url", help="of an account: measure one way in this process")
    parser.add_argument("--way", choices=("off", "on"))
    parser.add_argument("--ends", type=int)
    arguments = parser.parse_args()
    if arguments.url:
        measure_here(arguments.url, arguments.way, arguments.ends)
    else:
        compare(arguments.times)


if __name__ == "__main__":
    main()
