"""Let a person inspect the output of a pipeline, and continue when they have finished.

1. `prepare` writes something to inspect.
2. `inspect` opens a notebook. The *Open session* button on the task's page opens it. The task also returns
   its address, for example for a notification.
3. `wait_for_person` waits until the person ends the notebook, in the Science Portal or by shutting it down.
   It can wait for days and occupies no worker slot. The platform itself ends a notebook after four days.
4. `publish` continues.

Clearing `inspect` destroys its notebook and opens another. If the task fails, it destroys its notebook.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import XComArg, dag, task

from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator
from airflow_provider_canfar.operators.interactive import CanfarInteractiveOperator
from airflow_provider_canfar.sensors.session import CanfarSessionSensor


@dag(schedule=None, doc_md=__doc__, tags=["canfar", "example"])
def human_in_the_loop() -> None:
    prepare = CanfarHeadlessOperator(
        task_id="prepare",
        image="images.canfar.net/skaha/astroml:24.07",
        command=["echo", "wrote /arc/projects/survey/candidates.csv"],
    )
    inspect = CanfarInteractiveOperator(
        task_id="inspect",
        kind="notebook",
        image="images.canfar.net/skaha/astroml:24.07",
        # The platform allows a few interactive sessions per user: wait until one more is allowed.
        wait_for_quota=True,
    )
    wait_for_person = CanfarSessionSensor(
        task_id="wait_for_person",
        ids=XComArg(inspect, key="sessions"),
        # A notebook that its user deleted is Gone; one that was shut down from within is Completed.
        status=["Gone", "Completed", "Failed"],
        timeout=timedelta(days=5),
    )

    @task
    def publish() -> str:
        return "published"

    prepare >> inspect >> wait_for_person >> publish()


human_in_the_loop()
