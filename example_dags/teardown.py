"""Destroy all sessions of a DAG run at its end, even after a failure.

CARTA shows the images while a batch produces them. When the batch has ended, successfully or not, the
teardown destroys the sessions that this DAG run launched, including CARTA. It finds them by their names, and
does not touch the account's other sessions.

Airflow runs a teardown even when the tasks before it have failed, and its own failure does not fail the run.
"""

from __future__ import annotations

from airflow.sdk import dag

from airflow_provider_canfar.operators.cleanup import sessions_of_this_run
from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator
from airflow_provider_canfar.operators.interactive import CanfarInteractiveOperator


@dag(schedule=None, doc_md=__doc__, tags=["canfar", "example"])
def teardown() -> None:
    show = CanfarInteractiveOperator(
        task_id="show",
        kind="carta",
        image="images.canfar.net/skaha/carta:4.0",
    )
    work = CanfarHeadlessOperator(
        task_id="work",
        image="images.canfar.net/skaha/astroml:24.07",
        command=["sh", "-c", "echo image $REPLICA_ID; test $REPLICA_ID != 2"],
        replicas=3,
        # Without this, the other replicas run to their end, which helps when you want to inspect a failure.
        fail_fast=True,
    )
    tidy = sessions_of_this_run("tidy")

    show >> work >> tidy.as_teardown(setups=show)


teardown()
