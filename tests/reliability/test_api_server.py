"""Airflow's API server may be away for a while, in any phase, and no session is lost or launched twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from dev.local_airflow import LocalAirflow
from dev.programs import Programs
from tests.reliability.conftest import DATABASE, HERE, SETTINGS
from tests.reliability.phases import REPLICAS, kill_api_server_until, launching, recording
from tests.reliability.scenario import Scenario, each

if TYPE_CHECKING:
    from dev.airflow_rest import Run

Phase = Callable[[Scenario], "Run"]

#: What the task's log says when a call to Airflow had no answer, and when it gives up.
WAITS = "API server is not responding"
FAILS = "Task failed with exception"


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
@pytest.mark.parametrize("line", [WAITS, FAILS], ids=["short", "long"])
def test_api_server_away(scenario: Scenario, phase: Phase, line: str) -> None:
    """The first try waits it out; or it fails, and the next one adopts its sessions or finds their ends."""
    run = phase(scenario)
    kill_api_server_until(scenario, run, line)
    scenario.open_gate()
    scenario.check(run, "success", each(REPLICAS))
