"""A worker's host may die in any phase; another worker takes over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.cluster import WORKERS, Cluster, check_success
from tests.reliability.phases import REPLICAS, launching, recording

if TYPE_CHECKING:
    from tests.reliability.scenario import Scenario


@pytest.mark.short
def test_worker_killed_in_the_launch(cluster: Cluster, scenario: Scenario) -> None:
    """Some creates are in progress; the platform still completes them."""
    run = launching(scenario)
    cluster.kill(cluster.connected(scenario, WORKERS))
    scenario.wait_until_deferred(run, try_number=2)
    scenario.open_gate()
    check_success(scenario, run, REPLICAS)


def test_worker_killed_in_the_harvest(cluster: Cluster, scenario: Scenario) -> None:
    """All sessions have ended, and the worker is reading their logs."""
    run = recording(scenario)
    cluster.kill(cluster.connected(scenario, WORKERS))
    scenario.platform.clear_faults()
    check_success(scenario, run, REPLICAS)
