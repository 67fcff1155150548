"""DAGs whose tasks run functions in sessions."""

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
    """Distribute numbers over replicas, and combine their results."""

    @task
    def list_numbers() -> list[int]:
        return [*range(1000)]

    @task.canfar(image=IMAGE, replicas="{{ params.replicas }}", python="{{ params.python }}", poll_interval=1)
    def square(numbers: list[int], run_id: str | None = None) -> dict[str, Any]:
        import logging
        import sys

        logging.getLogger("squares").info("replica %d of %d of %s", REPLICA_ID, REPLICA_COUNT, run_id)
        print("without a newline", end="")
        return {
            "replica": REPLICA_ID,
            "python": list(sys.version_info[:2]),
            "squares": [number**2 for number in chunk(numbers)],
            "striped": len(list(stripe(numbers))),
        }

    @task
    def total(parts: list[dict[str, Any]]) -> int:
        return sum(sum(part["squares"]) for part in parts)

    # For a type checker, a task returns an XComArg, which does not match the parameters: hence Any.
    numbers: Any = list_numbers()
    parts: Any = square(numbers)
    total(parts)


@dag(schedule=None, params={"marker": ""})
def fails_once() -> None:
    """In the first try, one replica raises an error and another exits without a result."""

    @task.canfar(image=IMAGE, replicas=4, poll_interval=1, retries=1, retry_delay=timedelta(seconds=1))
    def measure(marker: str) -> list[float]:
        import os
        import time
        from pathlib import Path

        own = Path(f"{marker}.{REPLICA_ID}")
        is_first = not own.exists()
        own.touch()
        if is_first and REPLICA_ID == 2:
            raise ValueError("no such plate")
        if is_first and REPLICA_ID == 3:
            os._exit(0)
        return [REPLICA_ID, time.time()]

    measure("{{ params.marker }}")


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
    """Run the command that a function returns."""

    @task.canfar_cmd(image=IMAGE, replicas=2, poll_interval=1)
    def greet(whom: str, run_id: str | None = None) -> list[str]:
        return ["sh", "-c", 'echo "$1 from $REPLICA_ID"', "sh", f"Hello, '{whom}' {{{{ ds }}}}"]

    greet("M13")


shares()
fails_once()
maps()
commands()
