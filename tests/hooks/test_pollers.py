"""Which connections share a poller, and when they are read."""

from __future__ import annotations

import asyncio
import contextvars
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_canfar.hooks._pollers import CONNECTION_MAX_AGE, PollerRegistry, pollers
from airflow_provider_canfar.hooks._settings import Settings
from airflow_provider_canfar.hooks.canfar import CanfarHook
from airflow_provider_canfar.skaha.errors import AuthenticationError, SpecError
from airflow_provider_canfar.skaha.polling.session_poller import SessionPoller
from airflow_provider_canfar.testing import CONNECTION_VARIABLE, Emulator, running_emulator

EMPTY: dict[str, Any] = {"port": None, "schema": None, "login": None, "extra": {}}

Connect = Callable[..., CanfarHook]


def settings(password: str = "a-token", host: str = "https://skaha.test/skaha/v1", **fields: Any) -> Settings:
    return Settings.from_fields(**(EMPTY | {"host": host, "password": password} | fields))


class Connections:
    """Airflow's connections, and how often each was read."""

    def __init__(self, **fields: Settings | Exception) -> None:
        self.settings = fields
        self.reads: list[str] = []
        self.now = 0.0
        self.registry = PollerRegistry(clock=lambda: self.now)

    async def poller(self, conn_id: str) -> SessionPoller:
        async def read() -> Settings:
            self.reads.append(conn_id)
            await asyncio.sleep(0)
            result = self.settings[conn_id]
            if isinstance(result, Exception):
                raise result
            return result

        return await self.registry.poller_for(conn_id, read)


# Sharing.


async def test_a_thousand_callers_at_once_read_their_connection_once_and_share_a_poller() -> None:
    connections = Connections(one=settings())
    shared = await asyncio.gather(*(connections.poller("one") for _ in range(1000)))
    assert len(set(shared)) == 1
    assert connections.reads == ["one"]


async def test_connections_to_one_account_share_a_poller() -> None:
    connections = Connections(one=settings(), same=settings(), other=settings("another-token"))
    one, same, other = [await connections.poller(conn_id) for conn_id in ("one", "same", "other")]
    assert one is same
    assert one is not other


async def test_a_connection_is_read_again_for_a_later_caller() -> None:
    connections = Connections(one=settings())
    first = await connections.poller("one")
    connections.now = CONNECTION_MAX_AGE - 1
    assert await connections.poller("one") is first
    assert connections.reads == ["one"]
    connections.now = CONNECTION_MAX_AGE
    assert await connections.poller("one") is first
    assert connections.reads == ["one", "one"]


async def test_a_poller_continues_with_its_connections_new_credential() -> None:
    """With a token for an hour and a task that waits for a week, there must not be a hundred pollers."""
    connections = Connections(one=settings("token-0"))
    first = await connections.poller("one")
    for number in range(1, 10):
        connections.settings["one"] = settings(f"token-{number}")
        connections.now += CONNECTION_MAX_AGE
        assert await connections.poller("one") is first


@pytest.mark.parametrize(
    ("conn_ids", "later"),
    [(["one", "same"], settings("another-token")), (["one"], settings(host="https://other.test/skaha/v1"))],
    ids=["another connection still leads to that account", "it leads to another platform"],
)
async def test_a_connection_that_leads_elsewhere_has_another_poller(
    conn_ids: list[str], later: Settings
) -> None:
    connections = Connections(one=settings(), same=settings())
    (first,) = {await connections.poller(conn_id) for conn_id in conn_ids}
    connections.settings["one"] = later
    connections.now = CONNECTION_MAX_AGE
    assert await connections.poller("one") is not first


async def test_an_unreadable_connection_fails_all_callers_and_is_read_again_for_the_next() -> None:
    connections = Connections(one=SpecError("there is no credential"))
    errors = await asyncio.gather(*(connections.poller("one") for _ in range(3)), return_exceptions=True)
    assert [type(error) for error in errors] == [SpecError] * 3
    connections.settings["one"] = settings()
    assert isinstance(await connections.poller("one"), SessionPoller)
    assert connections.reads == ["one", "one"]


async def test_a_caller_cancelled_while_the_connection_is_read_costs_the_others_nothing() -> None:
    connections = Connections(one=settings())
    first, second = [asyncio.create_task(connections.poller("one")) for _ in range(2)]
    await asyncio.sleep(0)
    first.cancel()
    assert isinstance(await second, SessionPoller)
    assert first.cancelled()
    assert connections.reads == ["one"]


TASK_LOG = contextvars.ContextVar("task_log", default="no task's")


async def test_a_connection_is_read_in_an_empty_context() -> None:
    """No log line on the way must land in the task log of the first caller."""
    read_in = []

    async def read() -> Settings:
        read_in.append(TASK_LOG.get())
        return settings()

    TASK_LOG.set("the first caller's")
    await PollerRegistry().poller_for("one", read)
    assert read_in == ["no task's"]


def test_each_event_loop_has_pollers_of_its_own() -> None:
    async def here() -> PollerRegistry:
        assert pollers() is pollers()
        return pollers()

    first, second = asyncio.run(here()), asyncio.run(here())
    assert first is not second


def test_a_hash_distinguishes_accounts() -> None:
    assert settings().account == settings().account
    others = [
        settings("another-token"),
        settings(host="https://other.test/skaha/v1"),
        settings(extra={"login_url": "https://login.test"}, login="jdoe"),
        settings(extra={"login_url": "https://login.test"}, login="mcurie"),
    ]
    assert len({settings().account, *(one.account for one in others)}) == 5
    assert "a-token" not in settings().account
    assert settings().account not in repr(settings())


# On the emulator.


@pytest.fixture(name="platform")
def _platform() -> Iterator[Emulator]:
    with running_emulator(start_delay=0.0, flicker=0.0, user="mcurie", password="a-password") as emulator:
        yield emulator


@pytest.fixture(name="connect")
def _connect(platform: Emulator, monkeypatch: pytest.MonkeyPatch) -> Connect:
    def connect(**fields: Any) -> CanfarHook:
        monkeypatch.setenv(CONNECTION_VARIABLE, json.dumps(platform.connection | fields))
        return CanfarHook()

    return connect


async def wait_for_the_end(hook: CanfarHook, session_id: str) -> str:
    """Wait for a session as a trigger does, and return its final status."""
    async with hook.watch([session_id], interval=0.1) as subscription:
        async for snapshot in subscription:
            for session in snapshot.sessions:
                if session.status.is_final:
                    return session.status_word
    raise AssertionError("a subscription never ends by itself")


async def launch(hook: CanfarHook, *argv: str) -> str:
    async with hook.client() as client:
        (session_id,) = await client.create(name="stars", image="skaha/astroml:24.07", command=argv)
        return session_id


async def test_fifty_subscribers_share_one_poll(platform: Emulator, connect: Connect) -> None:
    session_id = await launch(connect(), "sleep", "1")
    platform.forget_requests()
    words = await asyncio.gather(*(wait_for_the_end(CanfarHook(), session_id) for _ in range(50)))
    assert words == ["Completed"] * 50
    assert platform.requests().keys() == {"GET /session"}
    assert platform.requests()["GET /session"] < 25


def test_blocking_code_shares_the_poll(platform: Emulator, connect: Connect) -> None:
    hook = connect()
    session_id = hook.run(lambda: launch(hook, "false"))
    assert hook.run(lambda: wait_for_the_end(hook, session_id)) == "Failed"


async def test_a_poller_finds_a_token_that_was_replaced_in_the_connection(
    platform: Emulator, connect: Connect
) -> None:
    hook = connect()
    session_id = await launch(hook, "sleep", "2")
    waiting = asyncio.create_task(wait_for_the_end(hook, session_id))
    await asyncio.sleep(0.5)
    connect(password="a-new-token")
    platform.rotate_token("a-new-token")
    assert await waiting == "Completed"


async def test_a_refused_token_fails_all_subscribers(platform: Emulator, connect: Connect) -> None:
    hook = connect()
    session_id = await launch(hook, "sleep", "30")
    waiting = [asyncio.create_task(wait_for_the_end(hook, session_id)) for _ in range(10)]
    await asyncio.sleep(0.5)
    platform.rotate_token("a-new-token")
    errors = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(error) for error in errors] == [AuthenticationError] * 10
    assert "Get a new token" in str(errors[0])


async def test_an_expired_token_of_a_login_is_fetched_once_for_all_subscribers(
    platform: Emulator, connect: Connect
) -> None:
    login_url = platform.url.replace("/skaha/v1", "/ac/login")
    hook = connect(login="mcurie", password="a-password", extra={"login_url": login_url})
    session_id = await launch(hook, "sleep", "2")
    waiting = [asyncio.create_task(wait_for_the_end(hook, session_id)) for _ in range(50)]
    await asyncio.sleep(0.5)
    platform.forget_requests()
    platform.rotate_token()
    assert set(await asyncio.gather(*waiting)) == {"Completed"}
    assert platform.requests()["POST /ac/login"] == 1


@pytest.mark.parametrize(
    "faults",
    [
        {"busy": {"count": 3}},
        {"html": {"count": 3}},
        {"truncated": {"count": 3}},
        {"server_error": {"count": 3}},
        {"drop_before": {"count": 3}},
        {"drop_after": {"count": 3}},
        {"latency": {"count": 3, "seconds": 0.5}},
        {"outage": {"mode": "refuse", "seconds": 1}},
    ],
    ids=lambda faults: " ".join(f"{kind} {how.get('mode', '')}" for kind, how in faults.items()).strip(),
)
async def test_a_subscriber_waits_out_any_fault(
    platform: Emulator, connect: Connect, faults: dict[str, Any]
) -> None:
    hook = connect(extra={"timeout": 0.2})
    session_id = await launch(hook, "sleep", "1")
    failed = []
    async with hook.watch([session_id], interval=0.1) as subscription:
        assert (await anext(subscription)).fault is None
        platform.faults(**faults)
        async for snapshot in subscription:
            failed.append(snapshot.fault is not None)
            if any(session.status.is_final for session in snapshot.sessions):
                break
    assert (any(failed), failed[-1]) == (True, False)


async def test_fifty_callers_of_stats_share_one_request(platform: Emulator, connect: Connect) -> None:
    connect()
    platform.forget_requests()
    free = await asyncio.gather(*(CanfarHook().shared_stats(max_age=60.0) for _ in range(50)))
    assert len({stats.free.cores for stats in free}) == 1
    assert platform.requests() == {"GET /session?view=stats": 1}


async def test_stats_find_a_token_that_was_replaced_in_the_connection(
    platform: Emulator, connect: Connect
) -> None:
    hook = connect()
    await hook.shared_stats(max_age=0.0)
    platform.rotate_token("a-new-token")
    with pytest.raises(AuthenticationError):
        await hook.shared_stats(max_age=0.0)
    connect(password="a-new-token")
    assert (await hook.shared_stats(max_age=0.0)).free.cores
