"""Run a thousand sessions, fifty at a time.

Whenever a session ends, the task launches the next, so that at most fifty are active. Up to ten may fail
without failing the task.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Param, dag

from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator


@dag(
    schedule=None,
    doc_md=__doc__,
    tags=["canfar", "example"],
    params={"replicas": Param(1000, type="integer", minimum=1, description="The total number of sessions.")},
)
def rolling_batch() -> None:
    CanfarHeadlessOperator(
        task_id="simulate",
        image="images.canfar.net/skaha/astroml:24.07",
        command=["sh", "-c", "echo simulation $REPLICA_ID of $REPLICA_COUNT; sleep 1"],
        replicas="{{ params.replicas }}",
        max_active_replicas=50,
        max_failed_replicas=10,
        # When a user clears the task because some replicas failed, the successful ones do not run again.
        on_clear="resume",
        execution_timeout=timedelta(days=7),
    )


rolling_batch()
