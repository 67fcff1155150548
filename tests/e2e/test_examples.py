"""Each example works on a real Airflow as documented, and leaves no session running."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_canfar.hooks.canfar import CanfarHook
from airflow_provider_canfar.testing import CONNECTION_VARIABLE
from airflow_provider_canfar.testing import Emulator as Admin
from dev.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.airflow_rest import Run
    from dev.local_airflow import LocalAirflow
    from dev.platforms import Emulator

pytestmark = [pytest.mark.airflow, pytest.mark.long, pytest.mark.timeout(400)]

IMAGE = "images.canfar.net/skaha/astroml:24.07"


#: The parameters of each run. The tests provide what the runs wait for.
CONFS: dict[str, dict[str, Any]] = {
    "hello": {},
    "file_list": {},
    "human_in_the_loop": {},
    "external_sessions": {"prefix": "colleague-"},
    # Fewer than a thousand, because this may be a laptop, but more than the fifty that may be active.
    "rolling_batch": {"replicas": 60},
    "launch_and_wait": {},
    "more_ram": {},
    "private_image": {},
    "teardown": {},
}


@pytest.fixture(name="admin", scope="module")
def _admin(emulator: Emulator) -> Admin:
    return Admin(emulator.url, emulator.token)


@pytest.fixture(name="runs", scope="module")
def _runs(local_airflow: LocalAirflow, emulator: Emulator, admin: Admin) -> Iterator[dict[str, Run]]:
    """Start all examples at once, and check at the end that none has left a session running."""
    local_airflow.wait_until_healthy()
    airflow = local_airflow.rest
    extra = {"registry_username": "mcurie", "registry_secret": "a-cli-secret"}
    airflow.add_connection("canfar_private", **emulator.connection, extra=extra)
    yield {dag_id: airflow.trigger(dag_id, conf) for dag_id, conf in CONFS.items()}
    assert admin.live() == []


@pytest.fixture(name="colleague")
def _colleague(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> CanfarHook:
    """Return a hook for a colleague who uses the platform without the Airflow under test."""
    monkeypatch.setenv(CONNECTION_VARIABLE, json.dumps(emulator.connection))
    return CanfarHook()


def assert_success(run: Run) -> None:
    """Wait for a run, and check that it succeeds; the error contains the logs of failed tasks."""
    state = run.wait(timeout=240)
    failed = [task for task, end in run.states().items() if end == "failed"]
    assert state == "success", "\n".join(line for task in failed for line in run.log(task))


def sessions_of(run: Run, task_id: str, admin: Admin) -> list[dict[str, Any]]:
    """Return the platform's record of a task's latest sessions."""
    ids = {row["session_id"] for row in run.xcom(task_id, key="sessions")}
    return [session for session in admin.all_sessions() if session["id"] in ids]


def test_external_sessions(runs: dict[str, Run], colleague: CanfarHook) -> None:
    run = runs["external_sessions"]
    run.wait_for("survey", "deferred", timeout=120)
    ids = colleague.create(name="colleague", image=IMAGE, command=["echo", "I am theirs"], replicas=2)
    assert_success(run)
    assert sorted(run.xcom("show_logs")) == sorted(ids)
    assert "I am theirs" in run.log("show_logs")


def test_human_in_the_loop(runs: dict[str, Run], admin: Admin, colleague: CanfarHook) -> None:
    run = runs["human_in_the_loop"]
    run.wait_for("wait_for_person", "deferred", timeout=180)
    (session,) = sessions_of(run, "inspect", admin)
    assert session["live"]
    colleague.destroy(session["id"])
    assert_success(run)
    assert [row["status"] for row in run.xcom("wait_for_person")] == ["Gone"]


def test_asset_driven(local_airflow: LocalAirflow, runs: dict[str, Run], colleague: CanfarHook) -> None:
    """The watcher's first poll records the sessions that exist, so sessions must end after it."""
    airflow = local_airflow.rest
    nights = itertools.count()

    def runs_of_asset_driven() -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = airflow.request("GET", "/dags/asset_driven/dagRuns")["dag_runs"]
        return listed

    def a_session_starts_it() -> bool:
        colleague.create(name=f"night-{next(nights)}", image=IMAGE, command=["true"])
        try:
            return bool(wait_until(runs_of_asset_driven, description="a run", timeout=30))
        except TimeoutError:
            return False

    wait_until(a_session_starts_it, description="a run of asset_driven", timeout=150)
    wait_until(lambda: runs_of_asset_driven()[0]["state"] == "success", description="its success", timeout=90)
    assert runs_of_asset_driven()[0]["run_type"] == "asset_triggered"


def test_hello(runs: dict[str, Run], admin: Admin) -> None:
    run = runs["hello"]
    assert_success(run)
    assert f"Hello, World! This is {run.run_id}." in run.log("hello")
    (session,) = sessions_of(run, "hello", admin)
    assert run.links("hello")["Open session"] == f"{admin.url}/session/{session['id']}?view=logs"


def test_file_list(runs: dict[str, Run]) -> None:
    run = runs["file_list"]
    assert_success(run)
    assert run.xcom("collect") == 4
    log = "\n".join(run.log("measure"))
    for number in range(10):
        assert log.count(f"measuring /arc/projects/survey/field-{number:03}.fits") == 1


def test_private_image(runs: dict[str, Run]) -> None:
    assert_success(runs["private_image"])
    assert "Hello from a private image" in runs["private_image"].log("run")


def test_teardown(runs: dict[str, Run], admin: Admin) -> None:
    run = runs["teardown"]
    assert run.wait(timeout=240) == "failed"
    assert run.states() == {"show": "success", "work": "failed", "tidy": "success"}
    (carta,) = sessions_of(run, "show", admin)
    assert carta["deleted"] is not None
    assert [one["succeeded"] for one in run.xcom("work", key="sessions")].count(False) == 1
    # Of several sessions, a person chooses one.
    assert str(run.links("work")["Open session"]).endswith("/work/plugin/canfar-sessions")


def test_more_ram(runs: dict[str, Run], admin: Admin) -> None:
    run = runs["more_ram"]
    assert_success(run)
    (key,) = {row["name"].split("-")[1] for row in run.xcom("stack")}
    given: dict[str, list[float]] = {}
    for session in admin.all_sessions():
        if f"-{key}-" in session["name"]:
            given.setdefault(session["replica_id"], []).append(session["ram"])
    # 3, 6, 9 and 12 GB are needed.
    assert given == {"1": [4.0], "2": [4.0, 8.0], "3": [4.0, 8.0, 16.0], "4": [4.0, 8.0, 16.0]}


def test_launch_and_wait(runs: dict[str, Run]) -> None:
    run = runs["launch_and_wait"]
    assert_success(run)
    launched = {row["session_id"]: row["status"] for row in run.xcom("launch")}
    assert {row["session_id"]: row["status"] for row in run.xcom("completed")} == dict.fromkeys(
        launched, "Completed"
    )
    assert set(launched.values()) <= {None, "Completed"}


def test_rolling_batch(runs: dict[str, Run], admin: Admin) -> None:
    run = runs["rolling_batch"]
    assert_success(run)
    assert len(run.xcom("simulate")) == 60
    sessions = [session for session in admin.all_sessions() if session["replica_count"] == "60"]
    assert sorted(int(session["replica_id"]) for session in sessions) == list(range(1, 61))
