"""A DAG whose tasks OpenLineage is told of."""

from __future__ import annotations

from contextlib import suppress

from airflow.sdk import DAG, Asset, ObjectStoragePath

from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator

with DAG("lineage", schedule=None, params={"script": "true"}) as dag:
    CanfarHeadlessOperator(
        task_id="stars",
        image="images.canfar.net/skaha/astroml:24.07",
        command=["sh", "-c", "{{ params.script }}", "correct-horse"],
        env={"TOKEN": "sesame-opens-doors"},
        replicas=2,
        poll_interval=1,
        inlets=[ObjectStoragePath("arc://canfar_default@home/jdoe/field.fits")],
        outlets=[Asset("arc://home/jdoe/stars.csv")],
    )

# make compat runs the other DAGs of this folder without OpenLineage's provider.
with suppress(ImportError):
    from airflow.providers.openlineage.utils.selective_enable import enable_lineage

    enable_lineage(dag)
