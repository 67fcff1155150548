"""The Airflow that the fixtures give a test keeps the user's own Airflow and account out of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar._isolated_airflow import is_canfar_connection, settings_for

ROOT = Path(__file__).parent.parent

#: A project whose tests look at what the fixtures have done, and what they have undone.
PROJECT = """
import os
from pathlib import Path

import pytest
from airflow import configuration, settings
from airflow.jobs.job import Job
from airflow.sdk import DAG, timezone
from airflow.utils.session import create_session

HOME = Path(os.environ["AIRFLOW_HOME"])
OWN_TEST = DAG.test

@pytest.fixture(autouse=True)
def whatever_comes_before_and_after_the_fixtures():
    check_the_users_own()
    yield
    check_the_users_own()

def check_the_users_own():
    assert settings.engine.url.database == str(HOME / "airflow.db")
    assert os.environ["AIRFLOW_HOME"] == str(HOME)
    assert len(configuration.secrets_backend_list) == 3
    assert "AIRFLOW_CONN_MINE" in os.environ
    assert DAG.test is OWN_TEST

def test_the_database_is_another(canfar_emulator):
    assert HOME not in Path(settings.engine.url.database).parents
    assert os.environ["AIRFLOW_HOME"] == str(Path(settings.engine.url.database).parent)

def test_no_connection_leads_to_an_account(canfar_emulator):
    assert "AIRFLOW_CONN_MINE" not in os.environ
    assert os.environ["AIRFLOW_CONN_OTHER"] == "http://example.org"
    assert len(configuration.ensure_secrets_loaded()) == 2

def test_a_live_scheduler_is_refused(canfar_connection):
    with create_session() as session:
        job = Job(job_type="SchedulerJob", state="running")
        job.latest_heartbeat = timezone.utcnow()
        session.add(job)
    with DAG("none", schedule=None) as dag:
        pass
    with pytest.raises(RuntimeError, match="A scheduler works on the database"):
        dag.test()

def test_a_scheduler_that_died_is_no_hindrance(canfar_connection):
    with create_session() as session:
        job = Job(job_type="SchedulerJob", state="running")
        job.latest_heartbeat = timezone.datetime(2026, 1, 1)
        session.add(job)
    with DAG("none", schedule=None) as dag:
        pass
    assert dag.test().state == "success"
"""

BACKEND = "airflow.secrets.local_filesystem.LocalFilesystemBackend"


def test_a_test_sees_neither_the_users_airflow_nor_an_account(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(PROJECT)
    (tmp_path / "connections.json").write_text("{}")
    environment = {
        "AIRFLOW_CONN_MINE": "canfar://:a-token@ws-uv.canfar.net",
        "AIRFLOW_CONN_OTHER": "http://example.org",
        "AIRFLOW_HOME": str(tmp_path / "home"),
        "AIRFLOW__SECRETS__BACKEND": BACKEND,
        "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps({"connections_file_path": "connections.json"}),
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
    }
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-o", f"cache_dir={ROOT / '.pytest_cache'}", tmp_path],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "4 passed" in ended.stdout, ended.stdout[-6000:] + ended.stderr[-2000:]


def test_all_settings_are_in_the_folder(tmp_path: Path) -> None:
    places = [value for value in settings_for(tmp_path).values() if "/" in value]
    assert len(places) == 6
    assert all(str(tmp_path) in value for value in places)


def as_json(text: str) -> str:
    return json.dumps({"conn_type": "canfar", "password": text})


def as_uri(text: str) -> str:
    return f"canfar://:{text}@host"


@pytest.mark.parametrize("form", [as_json, as_uri])
@given(text=st.text())
def test_a_connection_to_the_platform_is_known_in_both_formats(form: Callable[[str], str], text: str) -> None:
    assert is_canfar_connection(form(text))
    assert is_canfar_connection(f"  {form(text)}")


@pytest.mark.parametrize(
    "value",
    ["", "{", "{}", "[]", "http://canfar.net", '{"conn_type": "http", "host": "canfar"}', "canfarish://x"],
)
def test_other_connections_are_left_alone(value: str) -> None:
    assert not is_canfar_connection(value)
