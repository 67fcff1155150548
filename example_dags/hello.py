"""Say hello from a session on the CANFAR Science Platform.

The task launches one session, waits for it without occupying a worker slot, and logs its output.
"""

from __future__ import annotations

from airflow.sdk import dag

from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator


@dag(schedule=None, doc_md=__doc__, tags=["canfar", "example"])
def hello() -> None:
    CanfarHeadlessOperator(
        task_id="hello",
        image="images.canfar.net/skaha/astroml:24.07",
        # A list, not a string: each element is one argument, even with spaces in it.
        command=["echo", "Hello, World! This is {{ run_id }}."],
    )


hello()
