"""What people get wrong, one task each: their logs are looked at in a browser."""

from __future__ import annotations

from airflow.sdk import dag

from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator
from airflow_provider_canfar.sensors.session import CanfarSessionSensor

IMAGE = "images.canfar.net/skaha/astroml:24.07"
TRACEBACK = "import sys; open('/arc/projects/m13/no-such-frame.fits')"


@dag(schedule=None, max_active_tasks=2)
def mistakes() -> None:
    CanfarHeadlessOperator(
        task_id="wrong_image", image="docker.io/library/python:3.12", command=["true"], poll_interval=1
    )
    CanfarHeadlessOperator(task_id="bad_value", image=IMAGE, command=["true"], replicas="{{ 'many' }}")
    CanfarHeadlessOperator(
        task_id="failing_replica",
        image=IMAGE,
        command=["sh", "-c", '[ "$REPLICA_ID" != 2 ] || exec python3 -c "$0"', TRACEBACK],
        replicas=3,
        poll_interval=1,
    )
    CanfarHeadlessOperator(
        task_id="refused_token", image=IMAGE, command=["true"], canfar_conn_id="wrong_token"
    )
    CanfarHeadlessOperator(task_id="no_host", image=IMAGE, command=["true"], canfar_conn_id="no_host")
    CanfarSessionSensor(task_id="sensor_refused_token", prefix="survey-", canfar_conn_id="wrong_token")


mistakes()
