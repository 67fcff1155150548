"""One task of many replicas, fifty at a time."""

from __future__ import annotations

from airflow.sdk import DAG

from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator

with DAG("rolling", schedule=None, params={"replicas": 1, "lifetime": 1}, render_template_as_native_obj=True):
    CanfarHeadlessOperator(
        task_id="sessions",
        image="images.canfar.net/skaha/astroml:24.07",
        command=["sh", "-c", "sleep {{ params.lifetime }}"],
        replicas="{{ params.replicas }}",
        max_active_replicas=50,
        poll_interval=2,
    )
