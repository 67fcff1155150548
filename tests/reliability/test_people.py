"""When a user marks or clears a task, no unwanted session keeps running."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.reliability.scenario import Scenario, each

if TYPE_CHECKING:
    from dev.airflow_rest import Run

pytestmark = pytest.mark.parallel

REPLICAS = 8

Phase = Callable[[Scenario], "Run"]


def launching(scenario: Scenario) -> Run:
    """Start a run, and return when all create requests are in progress and none has completed."""
    scenario.platform.configure(create_latency=3)
    run = scenario.start("once", scenario.wait_for_gate, REPLICAS)
    scenario.wait_until_requested("POST /session", REPLICAS)
    return run


def deferred(scenario: Scenario) -> Run:
    """Start a run, and return when its task is deferred."""
    run = scenario.start("once", scenario.wait_for_gate, REPLICAS)
    scenario.wait_until_watched(run)
    return run


@pytest.mark.parametrize("phase", [launching, deferred])
@pytest.mark.parametrize("state", ["failed", "success"])
def test_marked(scenario: Scenario, phase: Phase, state: str) -> None:
    run = phase(scenario)
    scenario.mark(run, state)
    scenario.check(run, state, each(REPLICAS))


@pytest.mark.parametrize("phase", [launching, deferred])
def test_cleared(scenario: Scenario, phase: Phase) -> None:
    """The cleared task destroys its earlier sessions, and then runs all replicas again."""
    run = phase(scenario)
    scenario.clear(run)
    scenario.wait_until_deferred(run, try_number=2)
    scenario.open_gate()
    scenario.check(run, "success", each(REPLICAS, times=2))


def test_marked_failed_while_a_log_is_read(scenario: Scenario) -> None:
    """One replica has ended and its log is being read; the other is still running."""
    one_ends = f"test $REPLICA_ID = 1 || {scenario.wait_for_gate}"
    scenario.platform.faults(latency={"method": "GET", "path": "/session/.", "seconds": 20})
    run = scenario.start("soon-forgotten", one_ends, 2)
    scenario.wait_until_requested("GET /session/{id}?view=logs")
    scenario.mark(run, "failed")
    scenario.check(run, "failed", each(2))
