"""A user watches eight replicas find the stars of M13; this takes the README's screenshots."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from dev.local_airflow import LocalAirflow
    from dev.platforms import Emulator
    from tests.browser.airflow_pages import AirflowPages
    from tests.browser.emulator_page import EmulatorPage

pytestmark = pytest.mark.usefixtures("connection")


def test_both_pages_show_eight_running_replicas(
    airflow: AirflowPages,
    local_airflow: LocalAirflow,
    emulator: Emulator,
    portal: EmulatorPage,
    gate: Path,
    screenshot: Callable[[Page, str], None],
) -> None:
    portal.log_in(emulator.token)
    run = local_airflow.rest.trigger("find_stars")
    airflow.page.goto(run.page_url)
    airflow.wait_for("detect_stars", "Deferred")
    airflow.open_task("detect_stars")
    airflow.show_graph()
    for button in ("Open session", "Science Portal"):
        expect(airflow.page.get_by_role("link", name=button, exact=True)).to_be_visible()

    replicas = [one for one in emulator.all_sessions() if one["name"].startswith("find-stars-")]
    assert sorted(one["replica_id"] for one in replicas) == [*"12345678"]
    for one in replicas:
        row = portal.session(one["id"])
        expect(row).to_contain_text(f"{one['replica_id']} of 8")
        expect(row).to_contain_text("Completed" if int(one["replica_id"]) % 2 else "Running")
    second = next(one for one in replicas if one["replica_id"] == "2")
    portal.open(second["name"])
    expect(portal.log).to_contain_text(re.compile(r"Replica 2: \d+ stars"))
    screenshot(portal.page, "emulator-sessions")
    airflow.page.bring_to_front()
    expect(airflow.page.get_by_text("deferred", exact=True).first).to_be_visible()
    screenshot(airflow.page, "airflow-deferred")

    gate.touch()
    assert run.wait(timeout=180) == "success"
    expect(portal.session(second["id"])).to_contain_text("Completed")
