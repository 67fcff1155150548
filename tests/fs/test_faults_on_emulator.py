"""After each of the emulator's faults, a file is whole, or the error says what is there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_canfar.fs._filesystem import ArcFileSystem
from airflow_provider_canfar.skaha.errors import AuthenticationError, RequestError
from airflow_provider_canfar.testing import CONNECTION_VARIABLE

if TYPE_CHECKING:
    from airflow_provider_canfar.testing import Emulator

DATA = bytes(range(256)) * 4096


@pytest.fixture(name="broken")
def _broken(emulator: Emulator) -> Iterator[Emulator]:
    yield emulator
    emulator.clear_faults()
    emulator.configure(storage_quota=200e9)


@pytest.mark.parametrize(
    "faults",
    [
        {"drop_before": {"method": "PUT", "count": 1}},
        {"drop_after": {"method": "PUT", "count": 1}},
        {"cut_upload": {"count": 1}},
        {"cut_download": {"count": 1}},
        {"checksum_mismatch": {"count": 1}},
        {"busy": {"rate": 0.3}},
        {"mkdir_race": {"count": 1}},
        {"list_race": {"count": 1}},
    ],
    ids=lambda faults: next(iter(faults)),
)
def test_a_fault_that_passes_costs_no_file(
    arc: ArcFileSystem, base: str, broken: Emulator, faults: dict[str, Any]
) -> None:
    broken.faults(**faults)
    arc.pipe_file(f"{base}/new/folder/file", DATA)
    assert arc.cat_file(f"{base}/new/folder/file") == DATA
    assert arc.find(base) == [f"{base}/new/folder/file"]
    assert arc.size(f"{base}/new/folder/file") == len(DATA)


def test_an_expired_credential_is_named(arc: ArcFileSystem, base: str, broken: Emulator) -> None:
    token = broken.token
    broken.rotate_token("another-token")
    try:
        with pytest.raises(AuthenticationError, match="Get a new token"):
            arc.pipe_file(f"{base}/x", DATA)
    finally:
        broken.rotate_token(token)
    assert not arc.exists(f"{base}/x")


def test_a_full_quota_is_named(arc: ArcFileSystem, base: str, broken: Emulator) -> None:
    broken.configure(storage_quota=1000)
    with pytest.raises(RequestError, match=r"may be empty now.*The quota of /home/jdoe is"):
        arc.pipe_file(f"{base}/x", DATA)
    assert arc.cat_file(f"{base}/x") == b""


def test_a_connection_that_a_person_has_renewed_is_read_again(
    connection: str, broken: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow keeps a file system for as long as its process lives."""
    arc = ArcFileSystem(connection)
    assert arc.exists("/home/jdoe")
    broken.rotate_token("another-token")
    try:
        renewed = broken.connection | {"password": "another-token"}
        monkeypatch.setenv(CONNECTION_VARIABLE, json.dumps(renewed))
        assert arc.exists("/home/jdoe")
    finally:
        broken.rotate_token(broken.token)
