"""Another triggerer takes over the triggers of one that dies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.cluster import TRIGGERERS, Cluster, check_success

if TYPE_CHECKING:
    from tests.reliability.scenario import Scenario


@pytest.mark.short
def test_triggerer_killed_with_a_standby(cluster: Cluster, scenario: Scenario) -> None:
    run = scenario.start("once", scenario.wait_for_gate, 3)
    scenario.wait_until_watched(run)
    killed = cluster.connected(scenario, TRIGGERERS)
    cluster.kill(killed)
    (standby,) = set(TRIGGERERS) - {killed}
    assert cluster.connected(scenario, TRIGGERERS) == standby
    scenario.open_gate()
    check_success(scenario, run, 3)
