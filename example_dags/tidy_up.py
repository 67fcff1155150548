"""Leave nothing running, whatever happens.

CARTA shows the images while a batch makes them. When the batch has ended, well or not, the teardown destroys
the sessions of this run of the DAG, CARTA among them, and no others of the account: it knows them by their
names.

A teardown runs after its work also when that has failed, and its own failure does not fail the run.
"""

from __future__ import annotations

from airflow.sdk import dag

from airflow_provider_canfar.operators.cleanup import sessions_of_this_run
from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator
from airflow_provider_canfar.operators.interactive import CanfarInteractiveOperator


@dag(schedule=None, doc_md=__doc__, tags=["canfar", "example"])
def tidy_up() -> None:
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
        # An author who wants to look into failures by hand would leave this to the teardown as well.
        fail_fast=True,
    )
    tidy = sessions_of_this_run("tidy")

    show >> work >> tidy.as_teardown(setups=show)


tidy_up()
