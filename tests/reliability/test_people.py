"""A person who marks or clears a task leaves nothing running that nobody wants."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.reliability.stage import Stage, each

if TYPE_CHECKING:
    from dev.airflow_rest import Run

pytestmark = pytest.mark.side_by_side

REPLICAS = 8

Phase = Callable[[Stage], "Run"]


def launching(stage: Stage) -> Run:
    """Start a run, and return when all of its creates are under way and none is answered."""
    stage.platform.configure(create_latency=3)
    run = stage.start("once", stage.closed_gate, REPLICAS)
    stage.until_requested("POST /session", REPLICAS)
    return run


def deferred(stage: Stage) -> Run:
    """Start a run, and return when its task waits without a worker."""
    run = stage.start("once", stage.closed_gate, REPLICAS)
    stage.until_watched(run)
    return run


@pytest.mark.parametrize("phase", [launching, deferred])
@pytest.mark.parametrize("state", ["failed", "success"])
def test_marked(stage: Stage, phase: Phase, state: str) -> None:
    run = phase(stage)
    stage.mark(run, state)
    stage.end(run, state, each(REPLICAS))


@pytest.mark.parametrize("phase", [launching, deferred])
def test_cleared(stage: Stage, phase: Phase) -> None:
    """The cleared task runs all of its replicas anew, and those of before are destroyed first."""
    run = phase(stage)
    stage.clear(run)
    stage.until_deferred(run, try_number=2)
    stage.open_gate()
    stage.end(run, "success", each(REPLICAS, times=2))


def test_marked_failed_in_harvest(stage: Stage) -> None:
    """One replica has ended and its log is being read; the other one runs on."""
    one_ends = f"test $REPLICA_ID = 1 || {stage.closed_gate}"
    stage.platform.faults(latency={"method": "GET", "path": "/session/.", "seconds": 20})
    run = stage.start("soon-forgotten", one_ends, 2)
    stage.until_requested("GET /session/{id}?view=logs")
    stage.mark(run, "failed")
    stage.end(run, "failed", each(2))
