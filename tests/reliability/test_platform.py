"""A platform that loses responses, is busy, or cannot start a session."""

from __future__ import annotations

import pytest

from tests.reliability.scenario import TASK, Scenario, each

pytestmark = pytest.mark.parallel


def test_5_percent_lost_responses_and_5_percent_503(scenario: Scenario) -> None:
    scenario.platform.faults(drop_after={"rate": 0.05}, busy={"rate": 0.05})
    run = scenario.start("once", "sleep 20", 64)
    scenario.check(run, "success", each(64), timeout=400)
    failed_creates = [line for line in run.log(TASK) if "Could not create session" in line]
    assert any("503" in line for line in failed_creates), failed_creates
    assert any("503" not in line for line in failed_creates), failed_creates


def test_image_cannot_be_pulled(scenario: Scenario) -> None:
    scenario.platform.faults(pull={})
    run = scenario.start("once", "true", 2)
    scenario.check(run, "failed", each(2))
    assert "Failed to pull image" in scenario.log(run)
