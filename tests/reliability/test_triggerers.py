"""A triggerer may be killed or lose its triggers at any moment, without losing a session or an outcome."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from tests.reliability.scenario import TASK, Scenario, each

if TYPE_CHECKING:
    from dev.airflow_rest import Run


def restart_triggerer(scenario: Scenario) -> None:
    scenario.airflow.kill_component("triggerer", signal.SIGKILL)
    scenario.airflow.start_component("triggerer")


def triggerer_of(run: Run) -> int | None:
    """Return the id of the triggerer that has the trigger of a run's task."""
    trigger = run.task(TASK)["trigger"]
    return None if trigger is None else trigger["triggerer_id"]


def test_triggerer_killed_and_restarted(scenario: Scenario) -> None:
    run = scenario.start("once", scenario.wait_for_gate, 3)
    scenario.wait_until_deferred(run)
    first = scenario.wait_until(lambda: triggerer_of(run), "a triggerer to pick up the trigger")
    restart_triggerer(scenario)
    scenario.wait_until(lambda: triggerer_of(run) not in (None, first), "another triggerer to pick it up")
    scenario.open_gate()
    scenario.check(run, "success", each(3))


def test_triggerer_stopped_for_60_seconds_while_a_second_one_takes_over(scenario: Scenario) -> None:
    """When the first one continues, Airflow 3.3 wrongly calls its trigger's on_kill."""
    run = scenario.start("once", scenario.wait_for_gate, 3)
    scenario.wait_until_deferred(run)
    first = scenario.wait_until(lambda: triggerer_of(run), "a triggerer to pick up the trigger")
    scenario.airflow.start_component("second-triggerer", "triggerer", "--skip-serve-logs")
    try:
        scenario.airflow.signal_component("triggerer", signal.SIGSTOP)
        stopped = time.monotonic()
        try:
            scenario.wait_until(
                lambda: triggerer_of(run) not in (None, first), "the second triggerer to pick it up"
            )
            scenario.wait_until(lambda: time.monotonic() >= stopped + 60, "a minute to have passed")
        finally:
            scenario.airflow.signal_component("triggerer", signal.SIGCONT)
        scenario.wait_until(
            lambda: "Leaving the sessions alone" in scenario.log(run), "the wrong on_kill", interval=2
        )
        assert len(scenario.platform.live()) == 3
        scenario.open_gate()
        scenario.check(run, "success", each(3))
        assert [session["deleted"] for session in scenario.platform.all_sessions()] == [None] * 3
    finally:
        scenario.airflow.kill_component("second-triggerer", signal.SIGTERM)


def test_outcomes_survive_when_the_platform_forgets_after_20_seconds(scenario: Scenario) -> None:
    """Replica 1 ends after 5 s, replica 2 after 90 s; the triggerer is killed in between."""
    scenario.platform.configure(retention=20)
    script = 'echo "replica $REPLICA_ID reads"; if [ $REPLICA_ID = 1 ]; then sleep 5; else sleep 90; fi'
    run = scenario.start("soon-forgotten", script, 2)

    def first_end_is_recorded() -> bool:
        rows = run.xcom(TASK, key="sessions")
        return rows[0]["status"] == "Completed" and run.state_of(TASK) == "deferred"

    scenario.wait_until_deferred(run)
    scenario.wait_until(first_end_is_recorded, "the end of replica 1 to be recorded")
    assert scenario.platform.all_sessions()[1]["live"]
    restart_triggerer(scenario)
    scenario.wait_until(lambda: scenario.platform.all_sessions()[0]["forgotten"], "replica 1 to be forgotten")
    scenario.check(run, "success", each(2))
    assert [(row["replica"], row["status"]) for row in run.xcom(TASK)] == [(1, "Completed"), (2, "Completed")]
    log = run.log(TASK)
    assert "replica 1 reads" in log
    assert "replica 2 reads" in log


def test_marked_failed_while_no_triggerer_is_alive(scenario: Scenario) -> None:
    """Airflow can notify no one; the next execution of the task destroys the remaining sessions."""
    scenario.airflow.kill_component("triggerer", signal.SIGKILL)
    try:
        run = scenario.start("once", scenario.wait_for_gate, 3)
        scenario.wait_until_deferred(run)
        scenario.mark(run, "failed")
        scenario.wait_until(lambda: run.state == "failed", "the run to fail")
    finally:
        scenario.airflow.start_component("triggerer")
    remaining = {session["id"] for session in scenario.platform.live()}
    assert len(remaining) == 3
    scenario.clear(run)
    scenario.wait_until_deferred(run, try_number=2)
    assert not remaining & {session["id"] for session in scenario.platform.live()}
    scenario.open_gate()
    scenario.check(run, "success", each(3, times=2))
