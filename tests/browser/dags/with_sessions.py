"""Tasks for the tab *Sessions*: real ones on the emulator, and some with made-up XComs."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, get_current_context, task

from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator

IMAGE = "images.canfar.net/skaha/astroml:24.07"

# Each replica waits for a file of its own; the third fails unless there is another file.
SCRIPT = """
echo "Replica $REPLICA_ID waits"
until [ -e "$FOLDER/$REPLICA_ID" ]; do sleep 0.2; done
[ "$REPLICA_ID" != 3 ] || [ -e "$FOLDER/mended" ] || { echo "<b>star</b> catalogue not found"; exit 1; }
echo "Replica $REPLICA_ID has finished"
"""

STATES = {".": "waiting", "p": "pending", "r": "running", "s": "succeeded", "f": "failed"}

with DAG("eight", schedule=None, params={"folder": ""}, tags=["test"]):
    CanfarHeadlessOperator(
        task_id="detect_stars",
        image=IMAGE,
        command=["sh", "-c", SCRIPT],
        env={"FOLDER": "{{ params.folder }}"},
        replicas=8,
        poll_interval=5,
        retries=1,
        retry_delay=timedelta(seconds=1),
    )

# Lifetimes differ, as those of real work do.
SURVEY = """
sleep $((REPLICA_ID * 37 % 17 + 4))
[ "$REPLICA_ID" != 29 ] || { echo "tile 29: no such plate" >&2; exit 1; }
"""

with DAG("survey", schedule=None, tags=["test"]):
    CanfarHeadlessOperator(
        task_id="detect_stars",
        image=IMAGE,
        command=["sh", "-c", SURVEY],
        replicas=120,
        max_active_replicas=24,
        max_failed_replicas=3,
        poll_interval=2,
    )


def push(states: str, sessions: list[dict[str, Any]]) -> None:
    """Push the XComs of a task with sessions."""
    ti = get_current_context()["ti"]
    now, ended = datetime.now(UTC), states.count("s") + states.count("f")
    pace = ended / 2
    progress = {
        "version": 1,
        "replicas": len(states),
        "counts": {name: states.count(letter) for letter, name in STATES.items()},
        "since": (now - timedelta(hours=2)).timestamp(),
        "updated": now.timestamp(),
        "pace_per_hour": pace,
        "expected_end": (now + timedelta(hours=(len(states) - ended) / pace)).timestamp(),
        "map": states,
        "try_number": 1,
    }
    ti.xcom_push("progress", progress)
    ti.xcom_push("sessions", sessions)


# On a busy machine, the first workers may fail to reach Airflow's API.
RETRIES = {"retries": 3, "retry_delay": timedelta(seconds=1)}

with DAG("made_up", schedule=None, params={"states": "s", "folder": ""}, default_args=RETRIES, tags=["test"]):

    @task
    def many() -> None:
        """Have as many replicas as the run's configuration has letters."""
        push(get_current_context()["params"]["states"], [])

    @task
    def hostile() -> None:
        """Have names and lines that are markup, and an address that is a program."""
        name = "<img src=x onerror=document.title='hacked'>"
        print(f"::group::Log of replica 1: x aaaa1111 Completed\n{name}\n::endgroup::")
        row = {"replica": 1, "session_id": "aaaa1111", "name": name, "status": name, "succeeded": True}
        push("s", [row | {"url": "javascript:document.title='hacked'"}])

    @task
    def other() -> int:
        """Have no sessions."""
        return 1

    @task
    def moving() -> None:
        """Have replicas in all states until the run's folder has a file *stop*."""
        params = get_current_context()["params"]
        push("s" * 287 + "f" * 3 + "s" * 41 + "r" * 96 + "p" * 12 + "." * 61, [])
        while params["folder"] and not Path(params["folder"], "stop").exists():
            time.sleep(0.5)

    many()
    moving()
    hostile()
    other()

with DAG("hidden", schedule=None, default_args=RETRIES, tags=["test"]):

    @task
    def secret() -> None:
        """Have a session that nobody without permission may see."""
        push("s", [{"replica": 1, "session_id": "bbbb2222", "name": "secret-star", "succeeded": True}])

    secret()
