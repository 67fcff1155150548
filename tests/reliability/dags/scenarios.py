"""DAGs whose parameters say what their sessions do; one for each way of configuring the task."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, task

from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator
from airflow_provider_canfar.operators.interactive import CanfarInteractiveOperator
from airflow_provider_canfar.replicas import REPLICA_ID

IMAGE = "images.canfar.net/skaha/astroml:24.07"
PARAMS = {"script": "true", "replicas": 1, "connection": "canfar_default"}


def scenario(dag_id: str, dagrun_timeout: timedelta | None = None, **settings: Any) -> DAG:
    """Make a DAG with one task.

    :param settings: the operator's arguments, in addition to those from the parameters of each run.
    """
    with DAG(
        dag_id,
        schedule=None,
        dagrun_timeout=dagrun_timeout,
        params=PARAMS,
        render_template_as_native_obj=True,
    ) as dag:
        CanfarHeadlessOperator(
            task_id="sessions",
            name=dag_id,
            image=IMAGE,
            command=["sh", "-c", "{{ params.script }}"],
            replicas="{{ params.replicas }}",
            canfar_conn_id="{{ params.connection }}",
            poll_interval=1,
            **settings,
        )
    return dag


# Not retried. But when a user clears a running task and its worker exits before Airflow has killed it,
# Airflow treats that as a retry, whose delay is five minutes by default.
once = scenario("once", retry_delay=timedelta(seconds=1))
retried = scenario("retried", retries=2, retry_delay=timedelta(seconds=1))
retried_later = scenario("retried-later", retries=1, retry_delay=timedelta(seconds=20))
resumed = scenario("resumed", on_clear="resume")
rolling = scenario("rolling", max_active_replicas=4)
# While the API server is away, Airflow ends tries before they reach the operator.
often: dict[str, Any] = {"retries": 10, "retry_delay": timedelta(seconds=5)}
retried_often = scenario("retried-often", **often)
tidied_retried_often = scenario("tidied-retried-often", on_finish_action="destroy", **often)
rolling_retried_often = scenario("rolling-retried-often", max_active_replicas=4, **often)
in_worker_retried_often = scenario("in-worker-retried-often", deferrable=False, **often)
out_of_time = scenario("out-of-time", execution_timeout=timedelta(seconds=30))
out_of_time_in_worker = scenario(
    "out-of-time-in-worker", execution_timeout=timedelta(seconds=20), deferrable=False
)
run_out_of_time = scenario("run-out-of-time", dagrun_timeout=timedelta(seconds=60))
soon_forgotten = scenario("soon-forgotten", record_within=2)


with DAG("function-retried-often", schedule=None, params=PARAMS, render_template_as_native_obj=True):

    @task.canfar(
        task_id="sessions",
        image=IMAGE,
        replicas="{{ params.replicas }}",
        canfar_conn_id="{{ params.connection }}",
        poll_interval=1,
        **often,
    )
    def replica_of(script: str) -> int:
        """Run the script, and return the number of the replica."""
        import subprocess

        subprocess.run(["sh", "-c", script], check=True)
        return REPLICA_ID

    replica_of("{{ params.script }}")

with DAG("notebook-retried-often", schedule=None, params=PARAMS):
    CanfarInteractiveOperator(
        task_id="sessions",
        name="notebook",
        kind="notebook",
        image=IMAGE,
        canfar_conn_id="{{ params.connection }}",
        poll_interval=1,
        **often,
    )
