"""Run a thousand sessions, fifty at a time.

The next is launched when one has ended: the platform sees fifty sessions at once and no more. Up to ten may
fail without failing the task.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Param, dag

from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator


@dag(
    schedule=None,
    doc_md=__doc__,
    tags=["canfar", "example"],
    params={"replicas": Param(1000, type="integer", minimum=1, description="How many sessions in all.")},
)
def rolling_thousand() -> None:
    CanfarHeadlessOperator(
        task_id="simulate",
        image="images.canfar.net/skaha/astroml:24.07",
        command=["sh", "-c", "echo simulation $REPLICA_ID of $REPLICA_COUNT; sleep 1"],
        replicas="{{ params.replicas }}",
        max_active_replicas=50,
        max_failed_replicas=10,
        # What has succeeded stays so when somebody clears the task because some have failed.
        on_clear="resume",
        execution_timeout=timedelta(days=7),
    )


rolling_thousand()
