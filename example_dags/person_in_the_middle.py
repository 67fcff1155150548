"""Let a person look at what a pipeline has made, and go on when they are done.

1. `prepare` makes something to look at.
2. `inspect` opens a notebook. The button *Open session* in the task's page leads to it, and so does the
   address that the task returns, which a notification of your own might carry.
3. `wait_for_person` waits, for days if need be and without a worker slot, until the person ends the notebook:
   in the Science Portal, or by shutting it down. The platform itself ends it after four days.
4. `publish` goes on.

Cleared tasks open another notebook and destroy the one from before. A task that fails destroys its own.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import XComArg, dag, task

from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator
from airflow_provider_canfar.operators.interactive import CanfarInteractiveOperator
from airflow_provider_canfar.sensors.session import CanfarSessionSensor


@dag(schedule=None, doc_md=__doc__, tags=["canfar", "example"])
def person_in_the_middle() -> None:
    prepare = CanfarHeadlessOperator(
        task_id="prepare",
        image="images.canfar.net/skaha/astroml:24.07",
        command=["echo", "wrote /arc/projects/survey/candidates.csv"],
    )
    inspect = CanfarInteractiveOperator(
        task_id="inspect",
        kind="notebook",
        image="images.canfar.net/skaha/astroml:24.07",
        # The platform allows a few interactive sessions per user: wait for a place where there is none.
        wait_for_quota=True,
    )
    wait_for_person = CanfarSessionSensor(
        task_id="wait_for_person",
        ids=XComArg(inspect, key="sessions"),
        # A notebook that its user has ended is gone; one that was shut down from within has completed.
        status=["Gone", "Completed", "Failed"],
        timeout=timedelta(days=5),
    )

    @task
    def publish() -> str:
        return "published"

    prepare >> inspect >> wait_for_person >> publish()


person_in_the_middle()
