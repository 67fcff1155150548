"""DAGs that wait for other users' sessions, open interactive sessions, and destroy sessions."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, dag

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


def cleans(*names: str) -> None:
    """Make a DAG that destroys what its parameters choose.

    One for each choice: an argument that is given and renders to nothing is an error.
    """
    with DAG(
        f"cleans_by_{'_and_'.join(names)}",
        schedule=None,
        render_template_as_native_obj=True,
        params=dict.fromkeys(names),
    ):
        chosen: dict[str, Any] = {name: f"{{{{ params.{name} }}}}" for name in names}
        CanfarCleanupOperator(task_id="clean", settle_time=2, **chosen)


@dag(schedule=None, params={"image": "images.canfar.net/skaha/astroml:24.07"})
def opens() -> None:
    """Open a notebook."""
    CanfarInteractiveOperator(task_id="open", image="{{ params.image }}", poll_interval=1)


waits()
waits_for_all()
cleans("ids")
cleans("prefix")
cleans("regex")
cleans("prefix", "kind")
opens()
