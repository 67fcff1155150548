"""A DAG whose parameters say what its sessions do."""

from __future__ import annotations

from airflow.sdk import dag

from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator


@dag(
    schedule=None,
    params={
        "script": "true",
        "replicas": 1,
        "name": "e2e",
        "image": "images.canfar.net/skaha/astroml:24.07",
        "connection": "canfar_default",
    },
    render_template_as_native_obj=True,
)
def sessions() -> None:
    """Run a shell script in one or several sessions."""
    CanfarHeadlessOperator(
        task_id="sessions",
        name="{{ params.name }}",
        image="{{ params.image }}",
        command=["sh", "-c", "{{ params.script }}"],
        replicas="{{ params.replicas }}",
        canfar_conn_id="{{ params.connection }}",
        poll_interval=1,
    )


sessions()
