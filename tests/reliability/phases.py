"""Bring a task with many replicas to a phase, for a fault in that phase."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dev.airflow_rest import Run
    from tests.reliability.scenario import Scenario

REPLICAS = 16

#: The path of a list of sessions.
LIST = "/skaha/v1/session$"


def beginning(scenario: Scenario) -> Run:
    """Start a run, and return while its first list of the account's sessions has no answer yet."""
    scenario.platform.faults(latency={"method": "GET", "path": LIST, "seconds": 10, "count": 1})
    run = scenario.start("retried-often", scenario.wait_for_gate, REPLICAS)
    scenario.wait_until_requested("GET /session")
    return run


def launching(scenario: Scenario, dag_id: str = "retried-often") -> Run:
    """Start a run, and return while half of its sessions are being created."""
    scenario.platform.configure(create_latency=3)
    run = scenario.start(dag_id, scenario.wait_for_gate, REPLICAS)
    scenario.wait_until_created(REPLICAS // 2)
    return run


def saving(scenario: Scenario) -> Run:
    """Start a run, and return when its sessions exist, before the worker has their ids saved and defers."""
    scenario.platform.faults(latency={"method": "GET", "path": LIST, "seconds": 8})
    run = scenario.start("retried-often", scenario.wait_for_gate, REPLICAS)
    scenario.wait_until_created(REPLICAS)
    scenario.wait_until_requested("GET /session", 2)
    scenario.platform.clear_faults()
    return run


def deferred(scenario: Scenario) -> Run:
    """Start a run, and return when its task is deferred and its trigger polls the platform."""
    run = scenario.start("retried-often", scenario.wait_for_gate, REPLICAS)
    scenario.wait_until_watched(run)
    return run


def recording(scenario: Scenario) -> Run:
    """Start a run, and return while the logs of its ended sessions are being read."""
    run = scenario.start("retried-often", scenario.wait_for_gate, REPLICAS)
    scenario.wait_until_deferred(run)
    scenario.platform.faults(latency={"method": "GET", "path": "/session/.", "seconds": 5})
    scenario.open_gate()
    scenario.wait_until_requested("GET /session/{id}?view=logs")
    return run


def ending(scenario: Scenario) -> Run:
    """Start a run, and return while its worker, which has recorded all ends, destroys the ended sessions."""
    run = scenario.start("tidied-retried-often", scenario.wait_for_gate, REPLICAS)
    scenario.wait_until_deferred(run)
    scenario.platform.faults(latency={"method": "DELETE", "path": "/session/.", "seconds": 5})
    scenario.open_gate()
    scenario.wait_until_requested("DELETE /session/{id}")
    return run


@contextlib.contextmanager
def api_server_away(scenario: Scenario) -> Iterator[None]:
    """Kill the API server, and start it again when the block ends."""
    scenario.airflow.kill_component("api-server")
    yield
    scenario.airflow.start_component("api-server")
    scenario.airflow.wait_until_healthy()
