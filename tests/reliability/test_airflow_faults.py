"""Airflow itself may fail in any phase, and no session is lost or launched twice.

A proxy stands between the workers and the API server.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dev.local_airflow import LocalAirflow
from dev.programs import Programs
from tests.reliability.conftest import DATABASE, HERE, SETTINGS
from tests.reliability.fault_proxy import AWAY, ERROR, Fault, FaultProxy
from tests.reliability.phases import REPLICAS, beginning, ending, launching, recording, saving
from tests.reliability.scenario import TASK, Scenario, each

if TYPE_CHECKING:
    from dev.airflow_rest import Run

Phase = Callable[[Scenario], "Run"]

#: What the task's log says when a call to Airflow had no answer, and when it leaves its sessions.
WAITS = "API server is not responding"
LEAVES = "left running: try 2 will adopt them"

#: Of workers: each call that fails does so soon, instead of after half a minute. And the supervisor, whose
#: heartbeats fail as soon, bears more of them.
CLIENT = {
    "AIRFLOW__WORKERS__EXECUTION_API_RETRIES": "2",
    "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "3",
    "AIRFLOW__WORKERS__MAX_FAILED_HEARTBEATS": "8",
}

#: Longer than the client waits. The API server does what it was asked all the same.
SLOW = Fault(seconds=4, applies=True)

#: Requests of workers, all of them.
ALL = "/execution/"

#: Seconds for all steps of a try.
TRY_TIMEOUT = 200.0


@pytest.fixture(scope="module")
def proxy() -> Iterator[FaultProxy]:
    with FaultProxy() as proxy:
        yield proxy


@pytest.fixture(scope="module")
def local_airflow(tmp_path_factory: pytest.TempPathFactory, proxy: FaultProxy) -> Iterator[LocalAirflow]:
    """Start an Airflow whose workers reach its API server through the proxy."""
    home = tmp_path_factory.mktemp("airflow-of-faults")
    (home / "config").mkdir()
    (home / "config" / "database.py").write_text(DATABASE)
    settings = SETTINGS | CLIENT | {"AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{proxy.url}/execution/"}
    with Programs() as programs:
        airflow = LocalAirflow(home, [HERE / "dags"], programs=programs, env=settings)
        proxy.target = airflow.url
        with airflow:
            yield airflow


every_fault = pytest.mark.parametrize("fault", [AWAY, ERROR, SLOW], ids=["away", "500", "slow"])


@every_fault
@pytest.mark.parametrize("phase", [beginning, launching, saving, recording])
def test_api_server_fails_for_a_while(
    scenario: Scenario, proxy: FaultProxy, phase: Phase, fault: Fault
) -> None:
    run = phase(scenario)
    with proxy.failing(fault, ALL):
        scenario.wait_until_logged(run, WAITS)
    scenario.open_gate()
    scenario.check(run, "success", each(REPLICAS))


@every_fault
def test_api_server_fails_at_the_end(scenario: Scenario, proxy: FaultProxy, fault: Fault) -> None:
    """A result that Airflow does not take fails the try, and the next one launches nothing."""
    run = ending(scenario)
    _, task = scenario.worker(run)
    with proxy.failing(fault, ALL):
        scenario.wait_until(lambda: not task.is_running(), "the end of the task's process")
    scenario.check(run, "success", each(REPLICAS))


@pytest.mark.parametrize(
    ("phase", "line"), [(launching, LEAVES), (recording, WAITS)], ids=["launching", "recording"]
)
def test_api_server_fails_until_the_try_ends(
    scenario: Scenario, proxy: FaultProxy, phase: Phase, line: str
) -> None:
    """The supervisor stops the worker when its heartbeats fail."""
    run = phase(scenario)
    _, task = scenario.worker(run)
    with proxy.failing(ERROR, ALL):
        scenario.wait_until(lambda: not task.is_running(), "the end of the try", timeout=TRY_TIMEOUT)
        scenario.wait_until_logged(run, line)
    scenario.open_gate()
    scenario.check(run, "success", each(REPLICAS))


def test_a_deferral_fails(scenario: Scenario, proxy: FaultProxy) -> None:
    """Its worker ends nevertheless, and Airflow retries a task that sends no heartbeats."""
    run = scenario.start("retried-often", scenario.wait_for_gate, REPLICAS)
    with proxy.failing(Fault(status=500, path="/state"), f"{run.task(TASK)['id']}/"):
        scenario.wait_until(lambda: run.task(TASK)["try_number"] == 2, "the retry", timeout=TRY_TIMEOUT)
    scenario.open_gate()
    scenario.check(run, "success", each(REPLICAS))


@pytest.mark.parametrize("status", [409, 410])
def test_heartbeats_are_refused(scenario: Scenario, proxy: FaultProxy, status: int) -> None:
    """The supervisor stops the worker; Airflow has the task as running until it misses its heartbeats."""
    scenario.platform.configure(create_latency=8)
    run = scenario.start("retried-often", scenario.wait_for_gate, REPLICAS)
    scenario.wait_until_requested("POST /session")
    with proxy.failing(Fault(status=status, path="/heartbeat"), run.task(TASK)["id"]):
        scenario.wait_until(lambda: run.task(TASK)["try_number"] == 2, "the retry", timeout=TRY_TIMEOUT)
    scenario.platform.configure(create_latency=0)
    scenario.open_gate()
    scenario.check(run, "success", each(REPLICAS))


@pytest.mark.parametrize("phase", [launching, recording])
def test_supervisor_killed(scenario: Scenario, phase: Phase) -> None:
    """The task's process notices, and ends before Airflow retries the task."""
    run = phase(scenario)
    process = scenario.kill_supervisor(run)
    scenario.wait_until(lambda: not process.is_running(), "the end of the task's process")
    assert run.task(TASK)["try_number"] == 1
    scenario.platform.clear_faults()
    scenario.open_gate()
    scenario.check(run, "success", each(REPLICAS))


@pytest.fixture
def full_disk(local_airflow: LocalAirflow) -> Iterator[Callable[[], None]]:
    """Return what fills the file system of the tasks' logs until the test ends."""
    logs = local_airflow.home / "logs"
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(logs)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("This process may not mount a file system of a limited size.")
    yield lambda: _fill(logs / "filler")
    subprocess.run(["umount", "--lazy", str(logs)], check=True)


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


def test_disk_full(scenario: Scenario, local_airflow: LocalAirflow, full_disk: Callable[[], None]) -> None:
    """The supervisor cannot write the task's log, and dies of it; Airflow fails the try.

    The logs of the sessions are more than the last block of its file still takes.
    """
    run = recording(scenario)
    full_disk()
    scenario.wait_until(lambda: run.task(TASK)["state"] != "running", "the end of the try", interval=0.2)
    assert run.task(TASK)["state"] != "deferred", "the log was written"
    (local_airflow.home / "logs" / "filler").unlink()
    scenario.platform.clear_faults()
    scenario.open_gate()
    scenario.check(run, "success", each(REPLICAS))
    assert run.task(TASK)["try_number"] > 1
