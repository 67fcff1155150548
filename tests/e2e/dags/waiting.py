"""DAGs that wait for other users' sessions, open interactive sessions, and destroy sessions."""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag

from airflow_provider_canfar.operators.cleanup import CanfarCleanupOperator
from airflow_provider_canfar.operators.interactive import CanfarInteractiveOperator
from airflow_provider_canfar.sensors.resources import CanfarResourceSensor
from airflow_provider_canfar.sensors.session import CanfarSessionSensor

MODES: dict[str, dict[str, Any]] = {
    "deferred": {"deferrable": True, "poll_interval": 2},
    "poked": {"mode": "poke", "poll_interval": 2},
    # With a shorter interval the next poke may start before the executor has reported the end of the last
    # one, and Airflow's scheduler then fails the task.
    "rescheduled": {"mode": "reschedule", "poll_interval": 10},
}


@dag(schedule=None, params={"prefix": ""})
def waits() -> None:
    """Wait for the same sessions in each mode."""
    for name, mode in MODES.items():
        CanfarSessionSensor(task_id=name, prefix="{{ params.prefix }}", at_least=2, timeout=90, **mode)
        CanfarResourceSensor(task_id=f"room_{name}", cores=1, ram=1, timeout=90, **mode)


@dag(schedule=None, params={"prefix": ""})
def waits_for_all() -> None:
    """Wait in each mode for sessions that fail; fail, or skip with soft_fail."""
    for name, mode in MODES.items():
        standard: dict[str, Any] = {"prefix": "{{ params.prefix }}", "timeout": 90}
        CanfarSessionSensor(task_id=name, **standard, **mode)
        CanfarSessionSensor(task_id=f"softly_{name}", soft_fail=True, **standard, **mode)


@dag(
    schedule=None,
    render_template_as_native_obj=True,
    params={"ids": None, "prefix": None, "regex": None, "kind": None, "status": None},
)
def cleans() -> None:
    """Destroy the sessions that the parameters select."""
    CanfarCleanupOperator(
        task_id="clean",
        ids="{{ params.ids }}",
        prefix="{{ params.prefix }}",
        regex="{{ params.regex }}",
        kind="{{ params.kind }}",
        status="{{ params.status }}",
        settle_time=2,
    )


@dag(schedule=None, params={"image": "images.canfar.net/skaha/astroml:24.07"})
def opens() -> None:
    """Open a notebook."""
    CanfarInteractiveOperator(task_id="open", image="{{ params.image }}", poll_interval=1)


waits()
waits_for_all()
cleans()
opens()
