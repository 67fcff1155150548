"""Only what failed runs again."""

from __future__ import annotations

import pytest

from tests.reliability.stage import TASK, Stage, each

pytestmark = pytest.mark.side_by_side

THREE_TWICE = each(8) | each(3, times=2)


def test_retry_after_3_of_8_replicas_failed(stage: Stage) -> None:
    run = stage.start("retried", stage.three_fail, 8)
    stage.until(lambda: any(session["exit_code"] for session in stage.platform.all_sessions()), "a failure")
    stage.mend()
    stage.end(run, "success", THREE_TWICE)


def test_retry_after_the_platform_has_forgotten_all(stage: Stage) -> None:
    """XComs are gone and no list shows a session; the task remembers which replicas have succeeded."""
    run = stage.start("retried-later", stage.three_fail, 8)
    stage.until(lambda: run.state_of(TASK) == "up_for_retry", "the first try to have failed")
    stage.mend()
    stage.forget_what_has_ended()
    stage.end(run, "success", THREE_TWICE)


def test_clear_with_on_clear_resume_after_3_of_8_failed(stage: Stage) -> None:
    """The platform has forgotten all by then."""
    run = stage.start("resumed", stage.three_fail, 8)
    stage.until(lambda: run.state == "failed", "the run to fail")
    stage.mend()
    stage.forget_what_has_ended()
    stage.clear(run)
    stage.end(run, "success", THREE_TWICE)
