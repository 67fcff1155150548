"""The database and the broker may restart while sessions are launched, run, and are recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.cluster.cluster import check_success
from tests.reliability.phases import REPLICAS, deferred, launching, recording
from tests.reliability.scenario import Scenario

if TYPE_CHECKING:
    from dev.airflow_rest import Run
    from tests.cluster.cluster import Cluster

Phase = Callable[[Scenario], "Run"]


@pytest.mark.parametrize("phase", [launching, deferred, recording])
def test_postgresql_restarted(cluster: Cluster, scenario: Scenario, phase: Phase) -> None:
    """All connections end, and some components with them; these are started again."""
    run = phase(scenario)
    cluster.postgresql.stop()
    cluster.postgresql.start()
    cluster.wait_until_whole()
    scenario.open_gate()
    check_success(scenario, run, REPLICAS)


@pytest.mark.parametrize("phase", [launching, deferred])
def test_redis_restarted(cluster: Cluster, scenario: Scenario, phase: Phase) -> None:
    """It forgets its queue, and a task that resumes meanwhile cannot be queued."""
    run = phase(scenario)
    cluster.redis.stop()
    scenario.open_gate()
    scenario.wait_until(lambda: not scenario.platform.live(), "all sessions to end")
    cluster.redis.start()
    cluster.wait_until_whole()
    check_success(scenario, run, REPLICAS)
