"""Distribute a list of files over replicas.

1. `list_files` returns the list. In a real DAG it would list a folder below `/arc`, or query an archive.
2. `measure` runs one program in four sessions. Each session processes every fourth file, starting with the
   one of its `REPLICA_ID`.
3. `collect` reads the output of `measure`: how each replica ended.

A retry runs only the failed replicas again.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task

from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator

# This needs only what the image already has. With this package in the image, or its file replicas.py beside
# the program, the loop would be: `for file in stripe(files)`.
PROGRAM = """
import json, os, sys
replica, count = int(os.environ["REPLICA_ID"]), int(os.environ["REPLICA_COUNT"])
for file in json.loads(sys.argv[1])[replica - 1 :: count]:
    print(f"measuring {file}")
"""


@dag(schedule=None, doc_md=__doc__, tags=["canfar", "example"])
def file_list() -> None:
    @task
    def list_files() -> list[str]:
        return [f"/arc/projects/survey/field-{number:03}.fits" for number in range(10)]

    @task
    def collect(outcomes: list[dict[str, Any]]) -> int:
        for outcome in outcomes:
            print(f"Replica {outcome['replica']}, session {outcome['session_id']}: {outcome['status']}")
        return len(outcomes)

    files = list_files()
    measure = CanfarHeadlessOperator(
        task_id="measure",
        image="images.canfar.net/skaha/astroml:24.07",
        command=["python", "-c", PROGRAM, "{{ ti.xcom_pull('list_files') | tojson }}"],
        replicas=4,
        retries=2,
        retry_delay=timedelta(minutes=1),
    )
    # For a type checker, an operator's output is an XComArg, which does not match the parameters: hence Any.
    outcomes: Any = measure.output
    files >> measure
    collect(outcomes)


file_list()
