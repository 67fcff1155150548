"""The API server, which every worker talks to, may die in any phase."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.cluster.cluster import check_success
from tests.reliability import phases

if TYPE_CHECKING:
    from dev.airflow_rest import Run
    from tests.reliability.scenario import Scenario

#: What the task's log says when a call to Airflow had no answer, and when Airflow gives it up.
WAITS = "API server is not responding"
FAILS = "Task failed with exception"


@pytest.mark.parametrize("phase", [phases.beginning, phases.launching, phases.saving, phases.recording])
def test_api_server_killed(scenario: Scenario, phase: Callable[[Scenario], Run]) -> None:
    run = phase(scenario)
    with phases.api_server_away(scenario):
        scenario.wait_until_logged(run, WAITS)
    scenario.open_gate()
    check_success(scenario, run, phases.REPLICAS)


def test_api_server_killed_at_the_end(scenario: Scenario) -> None:
    """The first try fails, as nothing takes its result; the next one finds that all is done."""
    run = phases.ending(scenario)
    with phases.api_server_away(scenario):
        scenario.wait_until_logged(run, FAILS)
    check_success(scenario, run, phases.REPLICAS)


def test_api_server_killed_while_deferred(scenario: Scenario) -> None:
    """The trigger watches on; the resumed task waits for the API server."""
    run = scenario.start("once", scenario.wait_for_gate, phases.REPLICAS)
    scenario.wait_until_watched(run)
    with phases.api_server_away(scenario):
        polls = scenario.platform.requests()["GET /session"]
        scenario.wait_until_requested("GET /session", polls + 5)
    scenario.open_gate()
    check_success(scenario, run, phases.REPLICAS)
