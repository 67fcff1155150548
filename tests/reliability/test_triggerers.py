"""A triggerer may be killed or lose its triggers at any moment; sessions and outcomes stay."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from tests.reliability.stage import TASK, Stage, each

if TYPE_CHECKING:
    from dev.airflow_rest import Run


def restart_triggerer(stage: Stage) -> None:
    stage.airflow.kill_component("triggerer", signal.SIGKILL)
    stage.airflow.start_component("triggerer")


def triggerer_of(run: Run) -> int | None:
    """Say which triggerer has the trigger of a run's task."""
    trigger = run.task(TASK)["trigger"]
    return None if trigger is None else trigger["triggerer_id"]


def test_triggerer_killed_and_restarted(stage: Stage) -> None:
    run = stage.start("once", stage.closed_gate, 3)
    stage.until_deferred(run)
    first = stage.until(lambda: triggerer_of(run), "a triggerer to watch")
    restart_triggerer(stage)
    stage.until(lambda: triggerer_of(run) not in (None, first), "another triggerer to watch")
    stage.open_gate()
    stage.end(run, "success", each(3))


def test_triggerer_stopped_for_60_seconds_while_a_second_one_takes_over(stage: Stage) -> None:
    """When the first one goes on, Airflow 3.3 calls its trigger's on_kill, wrongly."""
    run = stage.start("once", stage.closed_gate, 3)
    stage.until_deferred(run)
    first = stage.until(lambda: triggerer_of(run), "a triggerer to watch")
    stage.airflow.start_component("triggerer", "--skip-serve-logs", name="second-triggerer")
    try:
        stage.airflow.signal_component("triggerer", signal.SIGSTOP)
        stopped = time.monotonic()
        try:
            stage.until(lambda: triggerer_of(run) not in (None, first), "the second triggerer to watch")
            stage.until(lambda: time.monotonic() >= stopped + 60, "a minute to have passed")
        finally:
            stage.airflow.signal_component("triggerer", signal.SIGCONT)
        stage.until(lambda: "Leaving the sessions alone" in stage.log(run), "the wrong on_kill", every=2)
        assert len(stage.platform.live()) == 3
        stage.open_gate()
        stage.end(run, "success", each(3))
        assert [session["deleted"] for session in stage.platform.all_sessions()] == [None] * 3
    finally:
        stage.airflow.kill_component("second-triggerer", signal.SIGTERM)


def test_platform_forgets_after_20_seconds_what_the_task_remembers(stage: Stage) -> None:
    """Replica 1 ends after 5 s, replica 2 after 90 s; between the two the triggerer is killed."""
    stage.platform.configure(retention=20)
    script = 'echo "replica $REPLICA_ID reads"; if [ $REPLICA_ID = 1 ]; then sleep 5; else sleep 90; fi'
    run = stage.start("soon-forgotten", script, 2)

    def first_end_is_recorded() -> bool:
        rows = run.xcom(TASK, key="sessions")
        return rows[0]["status"] == "Completed" and run.state_of(TASK) == "deferred"

    stage.until_deferred(run)
    stage.until(first_end_is_recorded, "the end of replica 1 to be recorded")
    assert stage.platform.all_sessions()[1]["live"]
    restart_triggerer(stage)
    stage.until(lambda: stage.platform.all_sessions()[0]["forgotten"], "replica 1 to be forgotten")
    stage.end(run, "success", each(2))
    assert [(row["replica"], row["status"]) for row in run.xcom(TASK)] == [(1, "Completed"), (2, "Completed")]
    log = run.log(TASK)
    assert "replica 1 reads" in log
    assert "replica 2 reads" in log


def test_marked_failed_while_no_triggerer_is_alive(stage: Stage) -> None:
    """Nobody is there whom Airflow could tell; the next execute of the task destroys what was left."""
    stage.airflow.kill_component("triggerer", signal.SIGKILL)
    try:
        run = stage.start("once", stage.closed_gate, 3)
        stage.until_deferred(run)
        stage.mark(run, "failed")
        stage.until(lambda: run.state == "failed", "the run to fail")
    finally:
        stage.airflow.start_component("triggerer")
    left = {session["id"] for session in stage.platform.live()}
    assert len(left) == 3
    stage.clear(run)
    stage.until_deferred(run, try_number=2)
    assert not left & {session["id"] for session in stage.platform.live()}
    stage.open_gate()
    stage.end(run, "success", each(3, times=2))
