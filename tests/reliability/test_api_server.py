"""Airflow's API server may be away for a while, in any phase, and no session is lost or launched twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from dev.local_airflow import LocalAirflow
from dev.programs import Programs
from tests.reliability.conftest import DATABASE, HERE, SETTINGS
from tests.reliability.phases import REPLICAS, api_server_away, launching, recording
from tests.reliability.scenario import TASK, Scenario, each

if TYPE_CHECKING:
    from dev.airflow_rest import Run

Phase = Callable[[Scenario], "Run"]

#: What the task's log says when a call to Airflow had no answer.
WAITS = "API server is not responding"


@pytest.fixture(scope="module")
def local_airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAirflow]:
    """Start an Airflow that does not take a worker for dead because the API server is.

    The worker sends no heartbeat while its supervisor repeats another call. Airflow's default is 300 s.
    """
    home = tmp_path_factory.mktemp("airflow-of-api-server")
    (home / "config").mkdir()
    (home / "config" / "database.py").write_text(DATABASE)
    settings = SETTINGS | {"AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "240"}
    with (
        Programs() as programs,
        LocalAirflow(home, [HERE / "dags"], programs=programs, env=settings) as airflow,
    ):
        yield airflow


@pytest.mark.parametrize("phase", [launching, recording])
def test_the_first_try_waits_for_the_api_server(scenario: Scenario, phase: Phase) -> None:
    run = phase(scenario)
    with api_server_away(scenario):
        scenario.wait_until_logged(run, WAITS)
    scenario.open_gate()
    scenario.check(run, "success", each(REPLICAS))


@pytest.mark.parametrize("dag_id", ["in-worker-retried-often", "function-retried-often"])
def test_tasks_of_other_kinds_wait_too(scenario: Scenario, dag_id: str) -> None:
    run = launching(scenario, dag_id)
    with api_server_away(scenario):
        scenario.wait_until_logged(run, WAITS)
    scenario.open_gate()
    scenario.check(run, "success", each(REPLICAS))
    if dag_id.startswith("function"):
        assert run.xcom(TASK) == [*range(1, REPLICAS + 1)]


def test_a_notebook_waits_too_and_is_left_to_its_user(scenario: Scenario) -> None:
    scenario.platform.configure(create_latency=8)
    run = scenario.start("notebook-retried-often", "", 1)
    scenario.wait_until_requested("POST /session")
    with api_server_away(scenario):
        scenario.wait_until_logged(run, WAITS)
    assert run.wait(timeout=240) == "success"
    (notebook,) = scenario.platform.all_sessions()
    assert notebook in scenario.platform.live()


@pytest.mark.parametrize("phase", [launching, recording])
def test_the_first_try_ends_before_the_api_server_is_back(scenario: Scenario, phase: Phase) -> None:
    """The supervisor stops its worker. The next try adopts its sessions, or finds their ends."""
    run = phase(scenario)
    _, task = scenario.worker(run)
    with api_server_away(scenario):
        scenario.wait_until(lambda: not task.is_running(), "the end of the try", timeout=300)
    scenario.open_gate()
    scenario.check(run, "success", each(REPLICAS))
