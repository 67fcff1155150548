"""One emulator and one real Airflow, shared by all end-to-end tests."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dev.local_airflow import LocalAirflow
from dev.platforms import Emulator
from dev.programs import Programs, free_ports
from tests.statsd_listener import StatsdListener

if TYPE_CHECKING:
    from dev.airflow_rest import AirflowRest

ROOT = Path(__file__).resolve().parent.parent.parent

#: DAGs of the docs that run as they stand there, with their pages.
DOCUMENTED = {"count_lines": "storage.md", "large_results": "functions.md", "cubes": "functions.md"}


@pytest.fixture(scope="session")
def programs() -> Iterator[Programs]:
    """Run programs for the tests, and terminate them afterwards."""
    with Programs() as programs:
        yield programs


@pytest.fixture(scope="session")
def emulator(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Emulator:
    """Start an emulator, for the user whose files the docs name."""
    return Emulator(programs, tmp_path_factory.mktemp("emulator"), "--user", "jdoe")


@pytest.fixture(scope="session")
def documented_dags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the DAGs of the docs."""
    folder = tmp_path_factory.mktemp("documented_dags")
    for dag, page in DOCUMENTED.items():
        text = (ROOT / "docs" / page).read_text()
        blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        (block,) = [block for block in blocks if f'DAG("{dag}"' in block]
        (folder / f"{dag}.py").write_text(block)
    return folder


@pytest.fixture(scope="session")
def statsd() -> Iterator[StatsdListener]:
    """Listen for the metrics of the Airflow."""
    with StatsdListener() as listener:
        yield listener


@pytest.fixture(scope="session")
def lineage_events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file for the events of OpenLineage, one a line."""
    return tmp_path_factory.mktemp("lineage") / "events.jsonl"


@pytest.fixture(scope="session")
def local_airflow(
    programs: Programs,
    emulator: Emulator,
    statsd: StatsdListener,
    lineage_events: Path,
    documented_dags: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[LocalAirflow]:
    """Start a real Airflow, with a working connection and two broken ones."""
    (unused_port,) = free_ports(1)
    canfar = emulator.connection
    connections = {
        "canfar_default": canfar,
        "wrong_token": canfar | {"password": "stale"},
        "unreachable": canfar | {"host": f"http://127.0.0.1:{unused_port}/skaha/v1"},
    }
    folders = [ROOT / "example_dags", Path(__file__).parent / "dags", documented_dags]
    home = tmp_path_factory.mktemp("airflow")
    settings = {
        "AIRFLOW__METRICS__STATSD_ON": "True",
        "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
        "AIRFLOW__METRICS__STATSD_PORT": str(statsd.port),
        "AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED": "True",
        # Of the DAGs that ask for it, and of no other.
        "AIRFLOW__OPENLINEAGE__SELECTIVE_ENABLE": "True",
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(
            {"type": "file", "log_file_path": str(lineage_events), "append": True}
        ),
    }
    with LocalAirflow(
        home, folders, programs=programs, connections=connections, env=settings
    ) as local_airflow:
        yield local_airflow


@pytest.fixture
def airflow(local_airflow: LocalAirflow, emulator: Emulator) -> Iterator[AirflowRest]:
    """Return the Airflow's API, and check after the test that no session is left running."""
    local_airflow.wait_until_healthy()
    yield local_airflow.rest
    assert [session for session in emulator.all_sessions() if session["live"]] == []
