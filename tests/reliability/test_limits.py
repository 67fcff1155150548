"""Time limits, which leave no session running, and the limit on active replicas."""

from __future__ import annotations

import pytest

from tests.reliability.scenario import TASK, Scenario, each

pytestmark = pytest.mark.parallel


@pytest.mark.parametrize("dag", ["out-of-time", "out-of-time-in-worker"])
def test_execution_timeout(scenario: Scenario, dag: str) -> None:
    """Airflow itself ignores it while a task is deferred."""
    run = scenario.start(dag, scenario.wait_for_gate, 3)
    scenario.check(run, "failed", each(3))


def test_dagrun_timeout_while_deferred(scenario: Scenario) -> None:
    run = scenario.start("run-out-of-time", scenario.wait_for_gate, 3)
    scenario.wait_until_watched(run)
    scenario.check(run, "failed", each(3))
    assert run.state_of(TASK) == "skipped"


def test_20_replicas_with_at_most_4_active(scenario: Scenario) -> None:
    run = scenario.start("rolling", "sleep 1", 20)
    scenario.check(run, "success", each(20), timeout=400)
    assert scenario.max_live() == 4
