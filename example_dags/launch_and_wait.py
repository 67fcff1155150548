"""Launch sessions without waiting for them, do something else, and then wait.

The first task ends as soon as its sessions have been launched. While they run, the DAG does other work. A
sensor takes the first task's result, and waits until all of its sessions have completed. Of all sessions in
the account, no matter which DAG or person launched them, no more than fifteen may be alive, and five Pending.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag, task

from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator
from airflow_provider_canfar.sensors.session import CanfarSessionSensor


@dag(schedule=None, doc_md=__doc__, tags=["canfar", "example"])
def launch_and_wait() -> None:
    launch = CanfarHeadlessOperator(
        task_id="launch",
        image="images.canfar.net/skaha/astroml:24.07",
        command=["sh", "-c", "sleep 5; echo tile $REPLICA_ID of $REPLICA_COUNT is done"],
        replicas=3,
        wait_for_completion=False,
        max_account_sessions=15,
        max_pending_account_sessions=5,
    )

    @task
    def announce() -> str:
        """Do what needs no result of the sessions."""
        return "The tiles are being made."

    completed = CanfarSessionSensor(task_id="completed", ids=launch.output, timeout=timedelta(hours=6))
    launch >> announce() >> completed


launch_and_wait()
