"""A platform that loses answers, is busy, or cannot start a session."""

from __future__ import annotations

import pytest

from tests.reliability.stage import TASK, Stage, each

pytestmark = pytest.mark.side_by_side


def test_5_percent_lost_responses_and_5_percent_503(stage: Stage) -> None:
    stage.platform.faults(drop_after={"rate": 0.05}, busy={"rate": 0.05})
    run = stage.start("once", "sleep 20", 64)
    stage.end(run, "success", each(64), seconds=400)
    unanswered = [line for line in run.log(TASK) if "was not answered with a session" in line]
    assert any("503" in line for line in unanswered), unanswered
    assert any("503" not in line for line in unanswered), unanswered


def test_image_cannot_be_pulled(stage: Stage) -> None:
    stage.platform.faults(pull={})
    run = stage.start("once", "true", 2)
    stage.end(run, "failed", each(2))
    assert "Failed to pull image" in stage.log(run)
