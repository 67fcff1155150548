"""A DAG author runs a test in the shell of a running Airflow."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from dev.airflow_rest import AirflowRest
    from dev.local_airflow import LocalAirflow
    from dev.platforms import Emulator

pytestmark = [pytest.mark.airflow, pytest.mark.long, pytest.mark.timeout(400)]


def test_the_running_airflow_and_its_account_take_no_part(
    airflow: AirflowRest, local_airflow: LocalAirflow, emulator: Emulator, tmp_path: Path
) -> None:
    page = (ROOT / "docs" / "testing.md").read_text()
    first = re.search(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert first is not None
    (tmp_path / "test_greet.py").write_text(first[1])
    before = emulator.all_sessions()

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-o", f"cache_dir={ROOT / '.pytest_cache'}", "test_greet.py"],
        cwd=tmp_path,
        env=local_airflow.environment | {"AIRFLOW_CONN_CANFAR_DEFAULT": json.dumps(emulator.connection)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "1 passed" in done.stdout, done.stdout[-6000:] + done.stderr[-2000:]
    assert not airflow.has_dag("greet")
    assert emulator.all_sessions() == before
