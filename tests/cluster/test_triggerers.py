"""Another triggerer takes over the triggers of one that dies."""

from __future__ import annotations

import pytest

from tests.cluster.cluster import TRIGGERERS, Cluster
from tests.reliability.scenario import Scenario, each


@pytest.mark.short
def test_triggerer_killed_with_a_standby(cluster: Cluster, scenario: Scenario) -> None:
    run = scenario.start("once", scenario.wait_for_gate, 3)
    scenario.wait_until_watched(run)
    killed = cluster.connected(scenario, TRIGGERERS)
    cluster.kill(killed)
    (standby,) = set(TRIGGERERS) - {killed}
    assert cluster.connected(scenario, TRIGGERERS) == standby
    scenario.open_gate()
    scenario.check(run, "success", each(3))
