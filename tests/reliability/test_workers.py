"""A worker that is gone, in any phase, costs no session and no outcome."""

from __future__ import annotations

import pytest

from tests.reliability.stage import Stage, each

pytestmark = pytest.mark.side_by_side

LIST = "/skaha/v1/session$"
LOG = "GET /session/{id}?view=logs"


def test_worker_killed_while_it_launches(stage: Stage) -> None:
    """Four of twelve creates are under way; the platform does them all the same."""
    stage.platform.configure(create_latency=4)
    run = stage.start("retried", stage.closed_gate, 12)
    stage.until_created(8)
    stage.until_requested("POST /session", 12)
    stage.kill_worker(run)
    assert len(stage.platform.all_sessions()) < 12, "the worker is gone before the last creates are answered"
    stage.until_deferred(run, try_number=2)
    stage.open_gate()
    stage.end(run, "success", each(12))


def test_worker_killed_between_launch_and_deferral(stage: Stage) -> None:
    """All sessions have been created, and nobody has written down which."""
    stage.platform.faults(latency={"method": "GET", "path": LIST, "seconds": 8})
    run = stage.start("retried", stage.closed_gate, 4)
    stage.until_created(4)
    stage.until_requested("GET /session", 2)
    stage.kill_worker(run)
    assert run.state_of("sessions") == "running", "the worker is gone before it can defer"
    stage.platform.clear_faults()
    stage.until_deferred(run, try_number=2)
    stage.open_gate()
    stage.end(run, "success", each(4))


def test_worker_killed_in_harvest(stage: Stage) -> None:
    """All sessions have ended well, and their logs are being read."""
    run = stage.start("retried", stage.closed_gate, 3)
    stage.until_deferred(run)
    stage.platform.faults(latency={"method": "GET", "path": "/session/.", "seconds": 20})
    stage.open_gate()
    stage.until_requested(LOG)
    stage.kill_worker(run)
    stage.platform.clear_faults()
    stage.end(run, "success", each(3))


def test_worker_terminated_while_it_launches(stage: Stage) -> None:
    """A host that shuts down leaves the worker time to destroy what the try has launched."""
    stage.platform.configure(create_latency=2)
    run = stage.start("retried", stage.closed_gate, 8)
    stage.until_requested("POST /session", 8)
    stage.terminate_worker(run)
    stage.until_deferred(run, try_number=2)
    stage.open_gate()
    stage.end(run, "success", each(8, times=2))
