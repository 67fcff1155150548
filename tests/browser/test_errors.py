"""A user who made a mistake reads the first screen of the failed task's log, in a window of 1400 pixels."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from airflow_provider_canfar.operators._errors import LINE_LENGTH
from airflow_provider_canfar.testing import Emulator as Admin

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from dev.airflow_rest import Run
    from dev.local_airflow import LocalAirflow
    from dev.platforms import Emulator
    from tests.browser.airflow_pages import AirflowPages

#: How the message of each task begins, and how it ends: with what to do.
MESSAGES = {
    "unknown_tag": ("1 of 1 replicas failed.", "registry_secret in the connection."),
    "foreign_image": ("POST session failed with status 400", "push yours to it."),
    "rendered_value": ("Invalid cores 'two'", "must be a number, more than 0."),
    "rendered_name": ("Invalid name 'mistakes_24.07'", "Try 'mistakes-24-07'."),
    "template": ("Invalid image: its template cannot be rendered", "around text that is none."),
    "failing_replica": ("1 of 3 replicas failed.", "clearing the task runs all of it."),
    "missing_program": ("3 of 3 replicas failed.", "clearing the task runs all of it."),
    "time_out": ("The execution_timeout of 0:00:30 has passed", "runs again what had not ended."),
    "refused_token": ("GET session failed with status 401", "which fetch tokens as needed."),
    "unknown_host": ("No response from https://ws-uv.canfar.invalid", "that this machine can reach it."),
    "port_only": ("Invalid port: there is no host.", "Fill in the host, or omit both."),
    "no_connection": ("The connection 'canfar_defualt' is not defined.", "main/docs/connection.md"),
}


@pytest.fixture(name="mistakes", scope="module")
def _mistakes(connection: str, local_airflow: LocalAirflow, emulator: Emulator) -> Iterator[Run]:
    """Run the DAG with the mistakes to its end."""
    rest = local_airflow.rest
    rest.add_connection("refused_token", **(emulator.connection | {"password": "stale"}))
    some_token = {"conn_type": "canfar", "password": "a-token"}
    rest.add_connection("unknown_host", **some_token, host="https://ws-uv.canfar.invalid")
    rest.add_connection("port_only", **some_token, port=443)
    admin = Admin(emulator.url, emulator.token)
    admin.faults(pull={"image": "*:24.70"})
    run = rest.trigger("mistakes")
    assert run.wait(timeout=400) == "failed"
    yield run
    admin.clear_faults()


@pytest.mark.parametrize("task_id", MESSAGES)
def test_the_first_screen_shows_the_whole_message_down_to_what_to_do(
    airflow: AirflowPages, mistakes: Run, task_id: str, screenshot: Callable[[Page, str], None]
) -> None:
    page = airflow.page
    page.set_viewport_size({"width": 1400, "height": 800})
    page.goto(f"{mistakes.page_url}/tasks/{task_id}")
    begin, end = MESSAGES[task_id]
    # The exception below repeats the first sentence, and the lines of retries the whole message.
    errors = page.get_by_test_id(re.compile("virtualized-item-")).filter(has_text="ERROR")
    for text in (begin, end, "Task failed with exception"):
        expect(errors.filter(has_text=text).first).to_be_in_viewport()
    screenshot(page, f"error-{task_id}")

    log = mistakes.log(task_id)
    lines = log[: log.index("Task failed with exception")]
    first = max(number for number, line in enumerate(lines) if line.startswith(begin))
    before, lines = lines[:first], lines[first:]
    said = [line for line in lines if line != "Its last lines:"]
    assert len(set(said)) == len(said)
    if task_id in ("unknown_tag", "failing_replica"):  # Nor has the log said it before.
        assert lines[1][:60] not in "\n".join(before)
    assert max(map(len, lines)) <= LINE_LENGTH
    assert "site-packages/airflow/" in page.locator("body").inner_text()
    assert "airflow_provider_canfar/" not in page.locator("body").inner_text()
