"""The cost of the XCom ``progress`` while a thousand tasks wait: CPU of their shared poll, and writes.

Each task has four sessions, of which ``--ends`` end during a minute. The same minute is measured with and
without progress, each in a process of its own; Airflow's side of a write is not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import random
import subprocess
import sys
import tempfile
import time
from typing import Any

from _runs import account  # type: ignore[import-not-found] # A module in the same folder.

TASKS = 1000
SESSIONS = 4
INTERVAL = 5.0
WARM = 20.0
SECONDS = 60.0

#: How often each way is measured; the least CPU counts, as other programs may have the processor, too.
TIMES = 3


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
        json.dumps(value)
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
        await control(url, f"end?ids={','.join(ids)}")
        await asyncio.sleep(max(0.0, began + second + 1 - time.perf_counter()))
    measured = time.process_time() - cpu
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    return {"cpu": measured, "writes": writes - before, "ends": len(ends)}


def run(way: str, ends_per_task: int) -> dict[str, float]:
    """Measure one way in a process of its own."""
    with account(TASKS * SESSIONS) as url:
        command = [sys.executable, __file__, f"--url={url}", f"--way={way}", f"--ends={ends_per_task}"]
        output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout  # noqa: S603 - ours
    measured: dict[str, float] = json.loads(output.splitlines()[-1])
    return measured


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url")
    parser.add_argument("--way", choices=("off", "on"))
    parser.add_argument("--ends", type=int, choices=range(SESSIONS), default=1, help="of each task")
    parser.add_argument("--times", type=int, default=TIMES)
    arguments = parser.parse_args()
    if arguments.url:
        connection = {"conn_type": "canfar", "host": f"{arguments.url}/skaha/v1", "password": "a-token"}
        os.environ["AIRFLOW_CONN_CANFAR_DEFAULT"] = json.dumps(connection)
        with tempfile.TemporaryDirectory() as home:
            os.environ["AIRFLOW_HOME"] = home
            logging.disable(logging.INFO)
            print(
                json.dumps(
                    asyncio.run(measure(arguments.url, arguments.ends, has_progress=arguments.way == "on"))
                )
            )
        return
    print(f"{'progress':10}{'CPU ms per poll':>18}{'ends':>8}{'writes':>8}{'per task and minute':>22}")
    least: dict[str, float] = {}
    for _ in range(arguments.times):
        for way in ("off", "on"):
            one = run(way, arguments.ends)
            cpu = 1000 * one["cpu"] * INTERVAL / SECONDS
            least[way] = min(cpu, least.get(way, cpu))
            rate = one["writes"] / TASKS
            print(f"{way:10}{cpu:18.1f}{one['ends']:8.0f}{one['writes']:8.0f}{rate:22.2f}", flush=True)
    print(f"\nWith progress, the poll takes {least['on'] / least['off'] - 1:+.1%} CPU (aim: below +10%).")


if __name__ == "__main__":
    main()
