"""A platform that loses responses, is busy, or cannot start a session."""

from __future__ import annotations

import pytest

from tests.reliability.scenario import TASK, Scenario, each

pytestmark = pytest.mark.parallel


def test_5_percent_lost_responses_and_5_percent_503(scenario: Scenario) -> None:
    scenario.platform.faults(drop_after={"rate": 0.05}, busy={"rate": 0.05})
    run = scenario.start("once", "sleep 20", 64)
    scenario.check(run, "success", each(64), timeout=400)
    unanswered = [line for line in run.log(TASK) if "was not answered with a session" in line]
    assert any("503" in line for line in unanswered), unanswered
    assert any("503" not in line for line in unanswered), unanswered


def test_image_cannot_be_pulled(scenario: Scenario) -> None:
    scenario.platform.faults(pull={})
    run = scenario.start("once", "true", 2)
    scenario.check(run, "failed", each(2))
    assert "Failed to pull image" in scenario.log(run)
