"""All schedulers may be dead while a task waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cluster.cluster import SCHEDULERS, check_success
from tests.reliability.scenario import TASK, Scenario

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster


def test_both_schedulers_killed_while_deferred(cluster: Cluster, scenario: Scenario) -> None:
    """The sessions end meanwhile, and the triggerer resumes the task, which the next scheduler finds."""
    run = scenario.start("once", scenario.wait_for_gate, 3)
    scenario.wait_until_watched(run)
    cluster.kill(*SCHEDULERS)
    scenario.open_gate()
    scenario.wait_until(lambda: run.state_of(TASK) == "scheduled", "the triggerer to resume the task")
    assert not scenario.platform.live()
    cluster.start_missing()
    check_success(scenario, run, 3)
