"""A worker may die in any phase, without losing a session or an outcome."""

from __future__ import annotations

import pytest

from tests.reliability.scenario import Scenario, each

pytestmark = pytest.mark.parallel

LIST = "/skaha/v1/session$"
LOG = "GET /session/{id}?view=logs"


def test_worker_killed_during_the_launch(scenario: Scenario) -> None:
    """Four of twelve creates are in progress; the platform still completes them."""
    scenario.platform.configure(create_latency=4)
    run = scenario.start("retried", scenario.wait_for_gate, 12)
    scenario.wait_until_created(8)
    scenario.wait_until_requested("POST /session", 12)
    scenario.kill_worker(run)
    assert len(scenario.platform.all_sessions()) < 12, "the worker died before the last creates completed"
    scenario.wait_until_deferred(run, try_number=2)
    scenario.open_gate()
    scenario.check(run, "success", each(12))


def test_worker_killed_between_launch_and_deferral(scenario: Scenario) -> None:
    """All sessions have been created, but the worker has not saved their ids."""
    scenario.platform.faults(latency={"method": "GET", "path": LIST, "seconds": 8})
    run = scenario.start("retried", scenario.wait_for_gate, 4)
    scenario.wait_until_created(4)
    scenario.wait_until_requested("GET /session", 2)
    scenario.kill_worker(run)
    assert run.state_of("sessions") == "running", "the worker died before it could defer"
    scenario.platform.clear_faults()
    scenario.wait_until_deferred(run, try_number=2)
    scenario.open_gate()
    scenario.check(run, "success", each(4))


def test_worker_killed_while_logs_are_read(scenario: Scenario) -> None:
    """All sessions have completed, and the worker is reading their logs."""
    run = scenario.start("retried", scenario.wait_for_gate, 3)
    scenario.wait_until_deferred(run)
    scenario.platform.faults(latency={"method": "GET", "path": "/session/.", "seconds": 20})
    scenario.open_gate()
    scenario.wait_until_requested(LOG)
    scenario.kill_worker(run)
    scenario.platform.clear_faults()
    scenario.check(run, "success", each(3))


def test_worker_terminated_during_the_launch(scenario: Scenario) -> None:
    """A host that shuts down: the retry, on another one, adopts the sessions."""
    scenario.platform.configure(create_latency=2)
    run = scenario.start("retried", scenario.wait_for_gate, 8)
    scenario.wait_until_requested("POST /session", 8)
    scenario.terminate_worker(run)
    scenario.wait_until_deferred(run, try_number=2)
    scenario.open_gate()
    scenario.check(run, "success", each(8))
