"""Files reach a session, and come back, as a user does it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow_provider_canfar.testing import Emulator


@pytest.mark.airflow
def test_a_dag_passes_files_to_a_session_and_reads_what_it_wrote(emulator: Emulator, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_CONN_CANFAR_DEFAULT": json.dumps(emulator.connection),
    }
    dag_file = tmp_path / "dags" / "dag_with_files.py"  # Airflow runs only a DAG that it finds.
    dag_file.parent.mkdir()
    shutil.copy(Path(__file__).with_name(dag_file.name), dag_file)
    for command in (["-m", "airflow", "db", "migrate"], [str(dag_file)]):
        done = subprocess.run(
            [sys.executable, *command], env=environment, capture_output=True, text=True, cwd=tmp_path
        )
        assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    assert "The session wrote 'STARS'." in done.stdout
    assert "OUT is --out=/" in done.stdout
    assert "/home/jdoe/shout/out.txt." in done.stdout
