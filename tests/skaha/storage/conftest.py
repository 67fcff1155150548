"""A storage in memory, and a client of it, on time that passes in a sleep."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

import pytest

from airflow_provider_canfar.skaha.credentials import Token
from airflow_provider_canfar.skaha.storage.client import StorageClient
from tests.fake_storage import URL, FakeStorage

if TYPE_CHECKING:
    from tests.skaha.conftest import Time


@pytest.fixture(name="storage")
def _storage(time: Time) -> FakeStorage:
    return FakeStorage(time.clock)


@pytest.fixture(name="make_client")
def _make_client(storage: FakeStorage, time: Time) -> Callable[[], StorageClient]:
    def make() -> StorageClient:
        return StorageClient(
            URL, Token("a-token"), transport=storage.transport, clock=time.clock, sleep=time.sleep
        )

    return make


@pytest.fixture(name="client")
async def _client(make_client: Callable[[], StorageClient]) -> AsyncIterator[StorageClient]:
    async with make_client() as client:
        yield client
