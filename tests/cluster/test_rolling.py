"""A task launches forty replicas, a few at a time, while one part of the cluster after the other dies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.cluster import SCHEDULERS, TRIGGERERS, WORKERS
from tests.reliability.scenario import Scenario, each

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cluster.cluster import Cluster

REPLICAS = 40
ACTIVE = 4


def restart_api_server(cluster: Cluster) -> None:
    cluster.kill("api-server")


def restart_postgresql(cluster: Cluster) -> None:
    cluster.postgresql.stop()
    cluster.postgresql.start()


def restart_redis(cluster: Cluster) -> None:
    cluster.redis.stop()
    cluster.redis.start()


@pytest.mark.timeout(1200)
def test_rolling_over_all_of_it(cluster: Cluster, scenario: Scenario) -> None:
    run = scenario.start("rolling-retried", "sleep 4", REPLICAS)
    faults: list[Callable[[], None]] = [
        lambda: cluster.kill(cluster.connected(scenario, TRIGGERERS)),
        lambda: cluster.kill(*SCHEDULERS),
        lambda: restart_api_server(cluster),
        lambda: restart_postgresql(cluster),
        lambda: restart_redis(cluster),
        lambda: cluster.kill(cluster.connected(scenario, WORKERS)),
    ]
    for number, fault in enumerate(faults, 1):
        scenario.wait_until_created(number * ACTIVE + 1)
        fault()
        cluster.wait_until_whole()
    scenario.check(run, "success", each(REPLICAS), timeout=600)
    assert scenario.max_live() <= ACTIVE
