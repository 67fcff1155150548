"""A user reads in Airflow's pages what went wrong, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from dev.waiting import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from dev.airflow_rest import Run
    from dev.local_airflow import LocalAirflow
    from dev.platforms import Emulator

#: Each task of the DAG `mistakes` -> the last words of its message, which say what to do.
WAYS_OUT = {
    "wrong_image": "images.canfar.net",
    "bad_value": "must be a whole number, from 1 to 10,000.",
    "failing_replica": "clear the task to run it again.",
    "refused_token": "connection",
    "no_host": "host",
    "sensor_refused_token": "connection",
}

TYPO = """from airflow.sdk import dag

from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator


@dag(schedule=None)
def typo():
    CanfarHeadlessOperator(
        task_id="calibrate", image="images.canfar.net/skaha/astroml:24.07", command=["true"], replica=3
    )


typo()
"""


@pytest.fixture(name="mistakes", scope="module")
def _mistakes(connection: str, local_airflow: LocalAirflow, emulator: Emulator) -> Run:
    """Run the DAG of mistakes to its end."""
    canfar = emulator.connection
    local_airflow.rest.add_connection("wrong_token", **canfar | {"password": "stale"})
    local_airflow.rest.add_connection("no_host", **canfar | {"host": ""})
    run = local_airflow.rest.trigger("mistakes")
    assert run.wait(timeout=400) == "failed"
    return run


@pytest.mark.parametrize("task_id", WAYS_OUT)
def test_the_log_of_a_failed_task_says_first_what_to_do(
    page: Page, mistakes: Run, task_id: str, screenshot: Callable[[Page, str], None]
) -> None:
    page.set_viewport_size({"width": 1400, "height": 900})
    page.goto(f"{mistakes.page_url}/tasks/{task_id}")
    failed = page.get_by_text("Task failed with exception")
    expect(failed.first).to_be_visible()
    screenshot(page, f"error-{task_id}")

    # What Airflow shows above the exception.
    lines = mistakes.log(task_id)
    (raised,) = [number for number, line in enumerate(lines) if "Task failed with exception" in line]
    message = " ".join(lines[:raised])
    assert WAYS_OUT[task_id] in message


def test_an_unknown_argument_is_named_on_the_page_of_import_errors(
    page: Page, local_airflow: LocalAirflow, own_dags: Path, screenshot: Callable[[Page, str], None]
) -> None:
    page.set_viewport_size({"width": 1400, "height": 900})
    (own_dags / "typo.py").write_text(TYPO)
    try:
        wait_until(
            lambda: local_airflow.rest.request("GET", "/importErrors")["total_entries"],
            description="the import error",
            timeout=120,
        )
        page.goto(local_airflow.url)
        page.get_by_role("button", name="Dag Import Error").first.click()
        page.get_by_text("typo.py").first.click()
        message = "Unknown argument 'replica'. Did you mean 'replicas'?"
        expect(page.get_by_text(message).first).to_be_visible()
        screenshot(page, "error-typo")
    finally:
        (own_dags / "typo.py").unlink()
