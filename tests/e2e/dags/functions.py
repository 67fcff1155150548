"""DAGs whose tasks are functions that run in sessions."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import dag, task

from airflow_provider_canfar.replicas import chunk, stripe

if TYPE_CHECKING:
    REPLICA_ID = REPLICA_COUNT = 1

IMAGE = "images.canfar.net/skaha/astroml:24.07"


@dag(schedule=None, params={"replicas": 4, "python": "python3"}, render_template_as_native_obj=True)
def shares() -> None:
    """Share numbers among replicas, and put what each has made of its share together again."""

    @task
    def list_numbers() -> list[int]:
        return [*range(1000)]

    @task.canfar(image=IMAGE, replicas="{{ params.replicas }}", python="{{ params.python }}", poll_interval=1)
    def square(numbers: list[int], run_id: str | None = None) -> dict[str, Any]:
        import logging
        import sys

        logging.getLogger("squares").info("replica %d of %d of %s", REPLICA_ID, REPLICA_COUNT, run_id)
        print("without an end", end="")
        return {
            "replica": REPLICA_ID,
            "python": list(sys.version_info[:2]),
            "squares": [number**2 for number in chunk(numbers)],
            "striped": len(list(stripe(numbers))),
        }

    @task
    def total(parts: list[dict[str, Any]]) -> int:
        return sum(sum(part["squares"]) for part in parts)

    # What a task returns is an XComArg to a checker, whatever it will be: Any.
    numbers: Any = list_numbers()
    parts: Any = square(numbers)
    total(parts)


@dag(schedule=None, params={"mark": ""})
def mends() -> None:
    """Fail in one replica the first time, by an error, and in another by an end without a result."""

    @task.canfar(image=IMAGE, replicas=4, poll_interval=1, retries=1, retry_delay=timedelta(seconds=1))
    def measure(mark: str) -> list[float]:
        import os
        import time
        from pathlib import Path

        mine = Path(f"{mark}.{REPLICA_ID}")
        is_first = not mine.exists()
        mine.touch()
        if is_first and REPLICA_ID == 2:
            raise ValueError("no such plate")
        if is_first and REPLICA_ID == 3:
            os._exit(0)
        return [REPLICA_ID, time.time()]

    measure("{{ params.mark }}")


@dag(schedule=None)
def maps() -> None:
    """Map a function over frames."""

    @task
    def list_frames() -> list[str]:
        return ["m13.fits", "m31.fits", "m92.fits"]

    @task.canfar(image=IMAGE, poll_interval=1)
    def measure(frame: str, threshold: float) -> list[Any]:
        if frame == "m31.fits":
            raise SystemExit(3)
        return [frame, threshold]

    @task(trigger_rule="all_done")
    def collect(found: list[list[Any]]) -> list[list[Any]]:
        return [*found]

    found: Any = measure.override(task_id="measure_each").partial(threshold=5.0).expand(frame=list_frames())
    collect(found)


@dag(schedule=None)
def commands() -> None:
    """Run the command that a function writes."""

    @task.canfar_cmd(image=IMAGE, replicas=2, poll_interval=1)
    def greet(whom: str, run_id: str | None = None) -> list[str]:
        return ["sh", "-c", 'echo "$1 from $REPLICA_ID"', "sh", f"Hello, '{whom}' {{{{ ds }}}}"]

    greet("M13")


shares()
mends()
maps()
commands()
