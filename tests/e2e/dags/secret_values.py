"""DAGs whose sessions get secret values; the tests look for those wherever Airflow writes."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, task

from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator

IMAGE = "images.canfar.net/skaha/astroml:24.07"

PARAMS: dict[str, Any] = {"connection": "token", "script": "echo ${#RENDERED}", "replicas": 1}

PROGRAM: dict[str, Any] = {
    "task_id": "program",
    "image": IMAGE,
    "command": ["sh", "-c", "{{ params.script }}"],
    "env": {"LITERAL": os.environ.get("SECRET_LITERAL", ""), "RENDERED": "{{ var.value.plate }}"},
    "replicas": "{{ params.replicas }}",
    "canfar_conn_id": "{{ params.connection }}",
    "poll_interval": 1,
    "retries": 1,
    "retry_delay": timedelta(seconds=1),
}


def measured(plate: str, *, marker: str) -> int:
    """Return the length of a secret, in the second try."""
    from pathlib import Path

    if marker and not Path(marker).exists():
        Path(marker).touch()
        raise ValueError("no such plate")
    return len(plate)


SETTINGS: dict[str, dict[str, Any]] = {
    "secret_values": {},
    "secret_values_in_worker": {"deferrable": False},
    "secret_values_in_time": {"execution_timeout": timedelta(seconds=5), "retries": 0},
}

for dag_id, settings in SETTINGS.items():
    with DAG(dag_id, schedule=None, params=PARAMS, render_template_as_native_obj=True):
        CanfarHeadlessOperator(**(PROGRAM | settings))

with DAG("secret_arguments", schedule=None, params=PARAMS | {"marker": ""}):
    task.canfar(
        image=IMAGE,
        canfar_conn_id="{{ params.connection }}",
        poll_interval=1,
        retries=1,
        retry_delay=timedelta(seconds=1),
    )(measured)("{{ var.value.plate_secret }}", marker="{{ params.marker }}")
