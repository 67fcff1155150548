"""Only failed replicas run again."""

from __future__ import annotations

import pytest

from tests.reliability.scenario import TASK, Scenario, each

pytestmark = pytest.mark.parallel

THREE_TWICE = each(8) | each(3, times=2)


def test_retry_after_3_of_8_replicas_failed(scenario: Scenario) -> None:
    run = scenario.start("retried", scenario.first_three_fail, 8)
    scenario.wait_until(
        lambda: any(session["exit_code"] for session in scenario.platform.all_sessions()), "a failure"
    )
    scenario.fix()
    scenario.check(run, "success", THREE_TWICE)


def test_retry_after_the_platform_forgot_the_sessions(scenario: Scenario) -> None:
    """Airflow has deleted the XComs, and the platform lists no session; the task state has the successes."""
    run = scenario.start("retried-later", scenario.first_three_fail, 8)
    scenario.wait_until(lambda: run.state_of(TASK) == "up_for_retry", "the first try to have failed")
    scenario.fix()
    scenario.forget_ended()
    scenario.check(run, "success", THREE_TWICE)


def test_clear_with_on_clear_resume_after_3_of_8_failed(scenario: Scenario) -> None:
    """The platform has forgotten all sessions by then."""
    run = scenario.start("resumed", scenario.first_three_fail, 8)
    scenario.wait_until(lambda: run.state == "failed", "the run to fail")
    scenario.fix()
    scenario.forget_ended()
    scenario.clear(run)
    scenario.check(run, "success", THREE_TWICE)
