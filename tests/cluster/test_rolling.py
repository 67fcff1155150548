"""A task launches 28 replicas, a few at a time, while one part of the cluster after the other dies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.cluster import SCHEDULERS, TRIGGERERS, WORKERS, check_success
from tests.reliability.scenario import LAST_LINE, Scenario

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cluster.cluster import Cluster

REPLICAS = 28
ACTIVE = 4


def restart_api_server(cluster: Cluster) -> None:
    cluster.kill("api-server")


def restart_postgresql(cluster: Cluster) -> None:
    cluster.postgresql.stop()
    cluster.postgresql.start()


def restart_redis(cluster: Cluster) -> None:
    cluster.redis.stop()
    cluster.redis.start()


def kill_worker(cluster: Cluster, scenario: Scenario) -> None:
    """Kill the worker while it reads logs: it is there for a second or two only, and does that each time."""
    scenario.platform.faults(latency={"method": "GET", "path": "/session/.", "seconds": 3})
    cluster.kill(cluster.connected(scenario, WORKERS))
    scenario.platform.clear_faults()


@pytest.mark.timeout(1200)
def test_rolling_over_all_of_it(cluster: Cluster, scenario: Scenario) -> None:
    run = scenario.start("rolling-retried-often", f"sleep 4; {LAST_LINE}", REPLICAS)
    faults: list[Callable[[], None]] = [
        lambda: cluster.kill(cluster.connected(scenario, TRIGGERERS)),
        lambda: cluster.kill(*SCHEDULERS),
        lambda: restart_api_server(cluster),
        lambda: restart_postgresql(cluster),
        lambda: restart_redis(cluster),
        lambda: kill_worker(cluster, scenario),
    ]
    for number, fault in enumerate(faults, 1):
        scenario.wait_until_created(number * ACTIVE + 1)
        fault()
        cluster.wait_until_whole()
    check_success(scenario, run, REPLICAS, timeout=600)
    assert scenario.max_live() <= ACTIVE
