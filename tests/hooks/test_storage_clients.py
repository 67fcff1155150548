"""The clients of storages in a process: one for each account on each event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from airflow_provider_canfar.hooks._settings import Settings
from airflow_provider_canfar.hooks._storage_clients import StorageClients
from airflow_provider_canfar.skaha.credentials import Token
from airflow_provider_canfar.skaha.storage.client import StorageClient

if TYPE_CHECKING:
    import pytest


def settings(account: str = "jdoe") -> Settings:
    return Settings("https://skaha.test/skaha/v1", Token("a-token"), account=account)


async def test_an_account_has_one_client_while_it_is_in_use() -> None:
    clients = StorageClients(keep_open=60)
    async with clients.client_of(settings()) as one, clients.client_of(settings()) as two:
        assert one is two
    async with clients.client_of(settings()) as again, clients.client_of(settings("mcurie")) as other:
        assert again is one
        assert other is not one


async def test_a_client_that_is_not_used_any_more_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = asyncio.Event()
    close = StorageClient.__aexit__

    async def record(self: StorageClient, *error: object) -> None:
        await close(self, None, None, None)
        closed.set()

    monkeypatch.setattr(StorageClient, "__aexit__", record)
    clients = StorageClients(keep_open=0)
    async with clients.client_of(settings()) as first:
        assert not closed.is_set()
    await asyncio.wait_for(closed.wait(), 30)
    async with clients.client_of(settings()) as second:
        assert second is not first


def test_the_end_of_an_event_loop_closes_its_clients() -> None:
    async def use() -> None:
        async with StorageClients(keep_open=3600).client_of(settings()):
            pass

    asyncio.run(use())  # A client that stays open would be a warning, and so an error.
