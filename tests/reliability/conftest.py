"""One real Airflow for all scenarios, and a table of their results.

Scenarios marked ``parallel`` do not touch Airflow's components, and each has its own emulator. They run
first, a few at a time; the others then run one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dev.local_airflow import LocalAirflow
from dev.programs import Programs
from tests.reliability.results import ROWS, pytest_terminal_summary
from tests.reliability.scenario import Scenario, name_of, run_scenario

HERE = Path(__file__).resolve().parent

#: How many scenarios run at the same time; they mostly wait.
PARALLEL = 6

#: Makes SQLite wait for its lock for as long as a busy machine may need, except in the API server, whose
#: event loop would block itself (see :func:`tests.reliability.scenario.change`) and everything that depends
#: on it.
DATABASE = """
import sys

connect_args = {"timeout": 2 if "api-server" in sys.argv else 60}
"""

#: Airflow's timeouts, as short as a busy machine allows.
TIMEOUTS = {
    # Airflow notices a dead worker after this time; a worker sends a heartbeat every five seconds.
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "25",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    # The same for a triggerer.
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "15",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "3",
}

SETTINGS = TIMEOUTS | {
    "AIRFLOW__CORE__PARALLELISM": "8",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS": "database.connect_args",
}

__all__ = ["pytest_terminal_summary"]  # pytest finds this hook here.


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", "parallel: a scenario that does not touch Airflow's components")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all scenarios, and move the parallel ones to the front."""
    ours = [item for item in items if HERE in item.path.parents]
    for item in ours:
        item.add_marker(pytest.mark.reliability)
        item.add_marker(pytest.mark.airflow)
        item.add_marker(pytest.mark.timeout(900))
    items.sort(key=lambda item: item in ours and item.get_closest_marker("parallel") is None)


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Wait for the result of a parallel scenario, which is running already, instead of running it now."""
    result = pyfuncitem.funcargs.get("scenario")
    if not isinstance(result, Future):
        return None
    result.result()
    return True


@pytest.fixture(scope="session")
def local_airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAirflow]:
    """Start a real Airflow that notices dead components quickly."""
    home = tmp_path_factory.mktemp("airflow")
    (home / "config").mkdir()  # Airflow imports from it
    (home / "config" / "database.py").write_text(DATABASE)
    with (
        Programs() as programs,
        LocalAirflow(home, [HERE / "dags"], programs=programs, env=SETTINGS) as local_airflow,
    ):
        yield local_airflow


@pytest.fixture(scope="session")
def parallel_results(
    request: pytest.FixtureRequest, local_airflow: LocalAirflow, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[None]]]:
    """Start the parallel scenarios."""
    folder = tmp_path_factory.mktemp("parallel")

    def run(item: pytest.Function) -> None:
        parameters: dict[str, Any] = item.callspec.params if hasattr(item, "callspec") else {}
        name = name_of(item)
        with run_scenario(name, local_airflow, folder / name, ROWS.append) as scenario:
            item.obj(scenario=scenario, **parameters)

    with ThreadPoolExecutor(PARALLEL) as pool:
        yield {
            item.nodeid: pool.submit(run, item)
            for item in request.session.items
            if isinstance(item, pytest.Function) and item.get_closest_marker("parallel")
        }
        pool.shutdown(cancel_futures=True)


@pytest.fixture
def scenario(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scenario | Future[None]]:
    """Return a new scenario; for a parallel one, the future of its result."""
    if request.node.get_closest_marker("parallel"):
        yield request.getfixturevalue("parallel_results")[request.node.nodeid]
        return
    local_airflow: LocalAirflow = request.getfixturevalue("local_airflow")
    local_airflow.wait_until_healthy()
    name = name_of(request.node)
    with run_scenario(name, local_airflow, tmp_path / name, ROWS.append) as scenario:
        yield scenario
