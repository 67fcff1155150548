"""Mistakes that people make, one task each: what the task's log shows of it is what they have to go by."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG

from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator

IMAGE = "images.canfar.net/skaha/astroml:24.07"

FIT = """
echo "replica $REPLICA_ID reads the plate"
[ "$REPLICA_ID" != 2 ] || { echo "FileNotFoundError: /arc/home/jdoe/plate-2.fits" >&2; exit 1; }
"""

SLOW = """
[ "$REPLICA_ID" != 1 ] || exit 0
[ "$REPLICA_ID" != 2 ] || { echo "ZeroDivisionError: division by zero" >&2; exit 1; }
echo "replica $REPLICA_ID fits NGC 628"; sleep 600
"""


def sessions(task_id: str, **arguments: Any) -> None:
    """Run sessions with the given arguments."""
    defaults: dict[str, Any] = {"image": IMAGE, "command": ["true"], "poll_interval": 5}
    CanfarHeadlessOperator(task_id=task_id, **(defaults | arguments))


with DAG("mistakes", schedule=None, params={"cores": "two", "tag": "24.07"}, tags=["test"]):
    sessions("unknown_tag", image="images.canfar.net/skaha/astroml:24.70")
    sessions("foreign_image", image="docker.io/library/python:3.12")
    sessions("rendered_value", cores="{{ params.cores }}")
    sessions("rendered_name", name="{{ dag.dag_id }}_{{ params.tag }}")
    sessions("template", image="images.canfar.net/skaha/astroml:{{ parms.tag }}")
    sessions("failing_replica", command=["sh", "-c", FIT], replicas=3)
    sessions("missing_program", command=["pyhton", "fit.py"], replicas=3)
    sessions("time_out", command=["sh", "-c", SLOW], replicas=4, execution_timeout=timedelta(seconds=30))
    sessions("refused_token", canfar_conn_id="refused_token")
    sessions("unknown_host", canfar_conn_id="unknown_host")
    sessions("port_only", canfar_conn_id="port_only")
    sessions("no_connection", canfar_conn_id="canfar_defualt")
