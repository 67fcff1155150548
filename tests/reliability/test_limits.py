"""Time limits, which leave nothing running, and a limit to how many sessions are alive at once."""

from __future__ import annotations

import pytest

from tests.reliability.stage import TASK, Stage, each

pytestmark = pytest.mark.side_by_side


@pytest.mark.parametrize("dag", ["out-of-time", "out-of-time-in-worker"])
def test_execution_timeout(stage: Stage, dag: str) -> None:
    """Airflow heeds none while a task is deferred."""
    run = stage.start(dag, stage.closed_gate, 3)
    stage.end(run, "failed", each(3))


def test_dagrun_timeout_while_deferred(stage: Stage) -> None:
    run = stage.start("run-out-of-time", stage.closed_gate, 3)
    stage.until_watched(run)
    stage.end(run, "failed", each(3))
    assert run.state_of(TASK) == "skipped"


def test_20_replicas_of_which_4_may_be_alive_at_once(stage: Stage) -> None:
    run = stage.start("rolling", "sleep 1", 20)
    stage.end(run, "success", each(20), seconds=400)
    assert stage.most_at_once() == 4
