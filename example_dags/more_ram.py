"""Retry failed replicas with more memory.

Each replica needs a different, unknown amount of memory. All start with 4 GB. Each of the two retries doubles
the memory and launches only the replicas that failed; successful replicas do not run again.

Here the program only compares two numbers. The platform would kill a real one that needs too much memory.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag

from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator

MEMORY = "{{ 4 * 2 ** (ti.try_number - 1) }}"

PROGRAM = """
import os, sys
needed, given = 3 * int(os.environ["REPLICA_ID"]), float(sys.argv[1])
print(f"needs {needed} GB and has {given:g}")
sys.exit(137 if needed > given else 0)
"""


@dag(schedule=None, doc_md=__doc__, tags=["canfar", "example"])
def more_ram() -> None:
    CanfarHeadlessOperator(
        task_id="stack",
        image="images.canfar.net/skaha/astroml:24.07",
        command=["python", "-c", PROGRAM, MEMORY],
        replicas=4,
        cores=1,
        ram=MEMORY,
        retries=2,
        retry_delay=timedelta(seconds=5),
    )


more_ram()
