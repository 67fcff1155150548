"""Two hundred mapped tasks that all wait for a session at the same time."""

from __future__ import annotations

from airflow.sdk import DAG

from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator

#: The names of the sessions, which identify the tasks.
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
