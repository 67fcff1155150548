"""One file has two paths."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from airflow.sdk import ObjectStoragePath
from hypothesis import HealthCheck, given, settings

from airflow_provider_canfar.fs.paths import container_path, home_path, storage_path
from airflow_provider_canfar.hooks.canfar import CanfarHook
from airflow_provider_canfar.skaha.errors import SpecError
from tests.skaha.storage.test_names import SAFE

if TYPE_CHECKING:
    from airflow_provider_canfar.testing import Emulator

PATH = "arc://canfar_default@home/jdoe/m13/tiles.json"


@pytest.fixture(name="in_task")
def _in_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_canfar.fs.paths._in_task", lambda: True)


@pytest.fixture(name="site")
def _site(monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a connection to a site that mounts its storage elsewhere; nothing asks it."""
    fields = {
        "conn_type": "canfar",
        "host": "https://skaha.test/skaha/v1",
        "password": "t",
        "extra": {"storage_mount": "/cavern/"},
    }
    monkeypatch.setenv("AIRFLOW_CONN_SITE", json.dumps(fields))
    return "site"


@pytest.mark.usefixtures("in_task")
def test_in_a_task_it_is_the_path_in_a_session(site: str) -> None:
    assert container_path(f"arc://{site}@home/jdoe/x") == "/cavern/home/jdoe/x"
    assert container_path(ObjectStoragePath("arc://home/jdoe/x", conn_id=site)) == "/cavern/home/jdoe/x"
    assert container_path(f"arc://{site}@") == "/cavern/"


@pytest.mark.usefixtures("in_task")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=SAFE)
def test_it_goes_there_and_back(site: str, name: str) -> None:
    inside = container_path(f"arc://{site}@home/jdoe/{name}")
    assert inside == f"/cavern/home/jdoe/{name}"
    assert container_path(storage_path(inside, site)) == inside


def test_in_a_dag_file_it_is_a_template_and_nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_CANFAR_DEFAULT", raising=False)
    path = ObjectStoragePath("arc://canfar_default@home/jdoe") / "{{ run_id }}" / "x"
    text = container_path(path)
    assert text.startswith("{{ conn.get('canfar_default')")
    assert text.endswith("}}/home/jdoe/{{ run_id }}/x")


@pytest.mark.parametrize("path", ["/arc/home/jdoe/x", "file:///tmp/x", "s3://bucket/x", "home/jdoe/x", ""])
def test_any_other_path_is_refused(path: str) -> None:
    with pytest.raises(SpecError, match="must be a path in the storage"):
        container_path(path)


@pytest.mark.parametrize("path", ["/arc/home/jdoe", "/cavernous/home", "cavern/home", "/cavern/home/../x"])
def test_a_path_outside_of_the_storage_has_no_url(site: str, path: str) -> None:
    with pytest.raises(SpecError, match="must"):
        storage_path(path, site)


def test_the_emulator_announces_its_folder_and_is_asked_once(
    connection: str, emulator: Emulator, mount: Path
) -> None:
    emulator.forget_requests()
    assert {CanfarHook(connection).storage_mount() for _ in range(3)} == {str(mount)}
    assert emulator.requests().get("GET /arc/mount", 0) <= 1


def test_the_platform_says_whose_home_it_is(connection: str) -> None:
    home = home_path(connection)
    assert str(home) == "arc://canfar_default@/home/jdoe"
    assert home.is_dir()
    assert str(home / "m13") == "arc://canfar_default@/home/jdoe/m13"
