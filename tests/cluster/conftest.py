"""One Airflow on PostgreSQL, Redis and Celery for all scenarios, which run one by one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dev.programs import Programs
from tests.cluster import servers
from tests.cluster.cluster import Cluster, running_cluster
from tests.debian import NotInstalled
from tests.reliability.results import ROWS, pytest_terminal_summary
from tests.reliability.scenario import Scenario, name_of, run_scenario

if TYPE_CHECKING:
    from dev.local_airflow import LocalAirflow

HERE = Path(__file__).resolve().parent

__all__ = ["pytest_terminal_summary"]  # pytest finds this hook here.


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", "short: one of the two scenarios of `make cluster SHORT=1`")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all scenarios."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.airflow)
            item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Start the cluster, or end the whole run where PostgreSQL and Redis cannot be installed."""
    try:
        servers.install()
    except NotInstalled as error:
        pytest.exit(f"NOTHING WAS TESTED: PostgreSQL or Redis is missing. {error}", returncode=1)
    with (
        # Not one of pytest's: the servers' user must reach it.
        tempfile.TemporaryDirectory(prefix="canfar-cluster-") as folder,
        Programs() as programs,
        running_cluster(programs, Path(folder)) as cluster,
    ):
        yield cluster


@pytest.fixture
def airflow(cluster: Cluster) -> Iterator[LocalAirflow]:
    """Return its Airflow, and start after the test what the test has left killed."""
    cluster.wait_until_whole()
    yield cluster.airflow
    cluster.start_missing()


@pytest.fixture
def scenario(request: pytest.FixtureRequest, airflow: LocalAirflow, tmp_path: Path) -> Iterator[Scenario]:
    """Return a new scenario."""
    name = name_of(request.node)
    with run_scenario(name, airflow, tmp_path / name, ROWS.append) as scenario:
        yield scenario
