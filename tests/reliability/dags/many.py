"""Two hundred mapped tasks with a session each, which all wait at the same time."""

from __future__ import annotations

from airflow.sdk import DAG

from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator

#: The tasks are told apart by the names of their sessions.
NAMES = [f"many-{number}" for number in range(200)]

with DAG(
    "many",
    schedule=None,
    params={"script": "true", "connection": "canfar_default"},
    render_template_as_native_obj=True,
):
    CanfarHeadlessOperator.partial(
        task_id="sessions",
        image="images.canfar.net/skaha/astroml:24.07",
        command=["sh", "-c", "{{ params.script }}"],
        canfar_conn_id="{{ params.connection }}",
        poll_interval=1,
    ).expand(name=NAMES)
