"""One real Airflow for all scenarios, and a table of what came of each.

Scenarios marked ``side_by_side`` leave Airflow's components alone, and each has a platform of its own. They
all play at the same time, some at once, and first; the others play alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dev.local_airflow import LocalAirflow
from dev.programs import Programs
from tests.reliability.stage import Row, Stage, staged, table

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

HERE = Path(__file__).resolve().parent

#: How many scenarios play at once: most of the time they wait.
AT_ONCE = 6

#: Makes SQLite wait for its turn for as long as a busy machine may need; but not so in the API server, whose
#: event loop would wait for itself (see :func:`tests.reliability.stage.change`), and everybody else with it.
DATABASE = """
import sys

patience = {"timeout": 2 if "api-server" in sys.argv else 60}
"""

#: Airflow's own times, as short as a busy machine bears them.
SETTINGS = {
    "AIRFLOW__CORE__PARALLELISM": "8",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS": "database.patience",
    # A worker that is gone is noticed after so long; its heartbeats come every five seconds.
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "25",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    # So is a triggerer.
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "15",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "3",
}

ROWS = pytest.StashKey[list[Row]]()


def pytest_configure(config: pytest.Config) -> None:
    """Make room for what comes of the scenarios."""
    config.addinivalue_line("markers", "side_by_side: a scenario that leaves Airflow's components alone")
    config.stash[ROWS] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all of them, and put first those that play at the same time."""
    ours = [item for item in items if HERE in item.path.parents]
    for item in ours:
        item.add_marker(pytest.mark.reliability)
        item.add_marker(pytest.mark.airflow)
        item.add_marker(pytest.mark.timeout(900))
    items.sort(key=lambda item: item in ours and item.get_closest_marker("side_by_side") is None)


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Take what came of a scenario that has begun to play with others, instead of playing it now."""
    playing = pyfuncitem.funcargs.get("stage")
    if not isinstance(playing, Future):
        return None
    playing.result()
    return True


def pytest_terminal_summary(terminalreporter: TerminalReporter, config: pytest.Config) -> None:
    """Say in a table what was done."""
    if config.stash[ROWS]:
        terminalreporter.section("sessions created per replica, on the platform's own record")
        for line in table(config.stash[ROWS]):
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def local_airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAirflow]:
    """Start a real Airflow that notices soon what is gone."""
    home = tmp_path_factory.mktemp("airflow")
    (home / "config").mkdir()  # Airflow imports from it
    (home / "config" / "database.py").write_text(DATABASE)
    with (
        Programs() as programs,
        LocalAirflow(home, [HERE / "dags"], programs=programs, env=SETTINGS) as local_airflow,
    ):
        yield local_airflow


@pytest.fixture(scope="session")
def playing(
    request: pytest.FixtureRequest, local_airflow: LocalAirflow, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[None]]]:
    """Begin to play the scenarios that can play at the same time."""
    folder = tmp_path_factory.mktemp("side-by-side")

    def play(item: pytest.Function) -> None:
        parameters: dict[str, Any] = item.callspec.params if hasattr(item, "callspec") else {}
        name = _scenario(item)
        with staged(name, local_airflow, folder / name, item.config.stash[ROWS].append) as stage:
            item.obj(stage=stage, **parameters)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {
            item.nodeid: pool.submit(play, item)
            for item in request.session.items
            if isinstance(item, pytest.Function) and item.get_closest_marker("side_by_side")
        }
        pool.shutdown(cancel_futures=True)


@pytest.fixture
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage | Future[None]]:
    """Set the stage of a scenario; for one that plays with others already, that which will be its result."""
    if request.node.get_closest_marker("side_by_side"):
        yield request.getfixturevalue("playing")[request.node.nodeid]
        return
    local_airflow: LocalAirflow = request.getfixturevalue("local_airflow")
    local_airflow.wait_until_healthy()
    name = _scenario(request.node)
    with staged(name, local_airflow, tmp_path / name, request.config.stash[ROWS].append) as stage:
        yield stage


def _scenario(item: pytest.Item) -> str:
    """Name a scenario as its test is named; Airflow takes letters, digits and underscores in a connection."""
    return item.name.removeprefix("test_").replace("[", "_").rstrip("]").replace("-", "_")
