"""An emulator whose storage the default connection leads to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from airflow.sdk.io import store

import airflow_provider_canfar.fs.paths  # noqa: F401 (as DAG files must with Airflow 3.1, before the first path)
from airflow_provider_canfar.fs._filesystem import ArcFileSystem
from airflow_provider_canfar.testing import CONNECTION_VARIABLE, Emulator, running_emulator


@pytest.fixture(name="emulator", scope="module")
def _emulator() -> Iterator[Emulator]:
    with running_emulator(start_delay=0.0, flicker=0.0, user="jdoe") as emulator:
        yield emulator


@pytest.fixture(name="connection", scope="module")
def _connection(emulator: Emulator) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CONNECTION_VARIABLE, json.dumps(emulator.connection))
        # Airflow keeps the file system of a connection, which another test's emulator served.
        patch.setattr(store, "_STORE_CACHE", {})
        yield "canfar_default"


@pytest.fixture(name="arc", scope="module")
def _arc(connection: str) -> ArcFileSystem:
    return ArcFileSystem(connection)


@pytest.fixture(name="base")
def _base(arc: ArcFileSystem) -> str:
    """Return a new folder in the storage."""
    path = f"/home/jdoe/{uuid4().hex[:8]}"
    arc.mkdir(path)
    return path


@pytest.fixture(name="mount", scope="module")
def _mount(emulator: Emulator) -> Path:
    """Return the folder of this machine that the emulator's sessions see as the storage."""
    root = emulator.url.partition("/skaha/")[0]
    headers = {"Authorization": f"Bearer {emulator.token}"}
    response = httpx.get(f"{root}/arc/mount", headers=headers, trust_env=False)
    return Path(response.json()["storage_mount"])
