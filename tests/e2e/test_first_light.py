"""A DAG runs replicated sessions on a real Airflow, end to end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dev.waiting import wait_until

if TYPE_CHECKING:
    from dev.airflow_rest import AirflowRest
    from dev.platforms import Emulator

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(400)]


def test_eight_sessions_find_the_stars_of_m13(
    airflow: AirflowRest, emulator: Emulator, tmp_path: Path
) -> None:
    from tests.m13 import stars_of_m13  # With the demo's packages, which make compat does not install.

    run = airflow.trigger("find_stars")
    assert run.wait(timeout=240) == "success", run.states()

    result = run.xcom("merge_catalogues")
    assert result["stars"] == len(stars_of_m13())
    emulator.download(result["picture"], tmp_path / "stars.png")
    assert (tmp_path / "stars.png").stat().st_size > 100_000
    launched = {session["session_id"] for session in run.xcom("detect_stars", key="sessions")}
    record = [session for session in emulator.all_sessions() if session["id"] in launched]
    assert sorted(session["replica_id"] for session in record) == list("12345678")
    assert {session["status"] for session in record} == {"Completed"}
    log = "\n".join(run.log("detect_stars"))
    for replica in range(1, 9):
        assert f"Replica {replica}: " in log, "the task's log contains each session's output"


def test_the_task_is_deferred_and_holds_no_worker_slot_while_sessions_run(
    airflow: AirflowRest, emulator: Emulator, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    script = f"while [ ! -e {gate} ]; do sleep 0.1; done"
    run = airflow.trigger("sessions", {"script": script, "replicas": 3})
    run.wait_for("sessions", "deferred", timeout=60)

    def are_running() -> bool:
        launched = {session["session_id"] for session in run.xcom("sessions", key="sessions")}
        return [one["status"] for one in emulator.all_sessions() if one["id"] in launched] == ["Running"] * 3

    wait_until(are_running, description="three running sessions", timeout=60)
    assert run.state_of("sessions") == "deferred"
    assert airflow.slots_in_use() == 0

    gate.touch()
    assert run.wait(timeout=60) == "success"


def test_a_session_that_exits_with_3_fails_its_task_and_the_error_has_its_last_lines(
    airflow: AirflowRest, emulator: Emulator
) -> None:
    script = (
        'echo "replica $REPLICA_ID reads"; test $REPLICA_ID != 2 || { echo "no such plate" >&2; exit 3; }'
    )
    run = airflow.trigger("sessions", {"script": script, "replicas": 3})
    assert run.wait(timeout=90) == "failed"

    (failed,) = [session for session in emulator.all_sessions() if session["exit_code"] == 3]
    error = next(line for line in run.log("sessions") if failed["id"] in line and "Replica 2" in line)
    log = run.log("sessions")
    last_lines = log[log.index(error) :]
    assert last_lines[:1] == [error]
    assert "no such plate" in last_lines


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        ({"connection": "wrong_token"}, "Get a new token, or use a user name and password"),
        ({"connection": "unreachable"}, "to GET session"),
        ({"image": "docker.io/library/python:3.12"}, "must come from one of [images.canfar.net]"),
        ({"name": "my_stars"}, "Try 'my-stars'"),
    ],
    ids=["wrong-token", "unreachable-host", "unknown-image-host", "name-with-underscore"],
)
def test_an_error_that_no_retry_can_fix_fails_with_a_clear_message(
    airflow: AirflowRest, emulator: Emulator, conf: dict[str, str], message: str
) -> None:
    before = len(emulator.all_sessions())
    run = airflow.trigger("sessions", conf)
    assert run.wait(timeout=60) == "failed"
    lines = run.log("sessions")
    # A long message is broken into lines.
    assert message in " ".join(lines), "\n".join(lines)
    assert len(emulator.all_sessions()) == before
