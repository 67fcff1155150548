"""Which connections share a poll, and when they are read."""

from __future__ import annotations

import asyncio
import contextvars
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_canfar.hooks._pollers import READ_EVERY, PollerRegistry, watches
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
    """Connections of Airflow, and how often each was read."""

    def __init__(self, **saying: Settings | Exception) -> None:
        self.saying = saying
        self.read: list[str] = []
        self.now = 0.0
        self.watches = PollerRegistry(clock=lambda: self.now)

    async def watch(self, conn_id: str) -> SessionPoller:
        async def read() -> Settings:
            self.read.append(conn_id)
            await asyncio.sleep(0)
            said = self.saying[conn_id]
            if isinstance(said, Exception):
                raise said
            return said

        return await self.watches.of(conn_id, read)


# Which share a poll.


async def test_a_thousand_who_come_at_once_read_their_connection_once_and_share_a_poll() -> None:
    connections = Connections(one=settings())
    shared = await asyncio.gather(*(connections.watch("one") for _ in range(1000)))
    assert len(set(shared)) == 1
    assert connections.read == ["one"]


async def test_connections_that_lead_to_one_account_share_a_poll() -> None:
    connections = Connections(one=settings(), same=settings(), other=settings("another-token"))
    one, same, other = [await connections.watch(conn_id) for conn_id in ("one", "same", "other")]
    assert one is same
    assert one is not other


async def test_a_connection_is_read_again_for_who_comes_later() -> None:
    connections = Connections(one=settings())
    first = await connections.watch("one")
    connections.now = READ_EVERY - 1
    assert await connections.watch("one") is first
    assert connections.read == ["one"]
    connections.now = READ_EVERY
    assert await connections.watch("one") is first
    assert connections.read == ["one", "one"]


async def test_a_poll_goes_on_with_the_credential_that_its_connection_has_now() -> None:
    """Where a token lives for an hour and a task waits for a week, there must not be a hundred polls."""
    connections = Connections(one=settings("token-0"))
    first = await connections.watch("one")
    for number in range(1, 10):
        connections.saying["one"] = settings(f"token-{number}")
        connections.now += READ_EVERY
        assert await connections.watch("one") is first


@pytest.mark.parametrize(
    ("conn_ids", "later"),
    [(["one", "same"], settings("another-token")), (["one"], settings(host="https://other.test/skaha/v1"))],
    ids=["another connection still leads to that account", "it leads to another platform"],
)
async def test_a_connection_that_leads_elsewhere_has_another_poll(
    conn_ids: list[str], later: Settings
) -> None:
    connections = Connections(one=settings(), same=settings())
    (first,) = {await connections.watch(conn_id) for conn_id in conn_ids}
    connections.saying["one"] = later
    connections.now = READ_EVERY
    assert await connections.watch("one") is not first


async def test_a_connection_that_cannot_be_read_is_told_to_all_and_read_again_for_the_next() -> None:
    connections = Connections(one=SpecError("there is no credential"))
    told = await asyncio.gather(*(connections.watch("one") for _ in range(3)), return_exceptions=True)
    assert [type(error) for error in told] == [SpecError] * 3
    connections.saying["one"] = settings()
    assert isinstance(await connections.watch("one"), SessionPoller)
    assert connections.read == ["one", "one"]


async def test_one_who_gives_up_while_the_connection_is_read_costs_the_others_nothing() -> None:
    connections = Connections(one=settings())
    first, second = [asyncio.create_task(connections.watch("one")) for _ in range(2)]
    await asyncio.sleep(0)
    first.cancel()
    assert isinstance(await second, SessionPoller)
    assert first.cancelled()
    assert connections.read == ["one"]


TASK_LOG = contextvars.ContextVar("task_log", default="no task's")


async def test_a_connection_is_read_in_nobodys_context() -> None:
    """Whatever is logged on the way must not land in the task log of who came first."""
    read_in = []

    async def read() -> Settings:
        read_in.append(TASK_LOG.get())
        return settings()

    TASK_LOG.set("the first one's")
    await PollerRegistry().of("one", read)
    assert read_in == ["no task's"]


def test_each_event_loop_has_polls_of_its_own_and_those_of_closed_ones_are_forgotten() -> None:
    async def here() -> PollerRegistry:
        assert watches() is watches()
        return watches()

    first, second = asyncio.run(here()), asyncio.run(here())
    assert first is not second


def test_an_account_is_told_from_others_by_a_hash() -> None:
    assert settings().account == settings().account
    others = [
        settings("another-token"),
        settings(host="https://other.test/skaha/v1"),
        settings(login="mcurie"),
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
    """Wait for a session as a trigger does, and return the word for how it ended."""
    async with hook.watch([session_id], interval=0.1) as subscription:
        async for snapshot in subscription:
            for session in snapshot.sessions:
                if session.status.is_final:
                    return session.status_word
    raise AssertionError("looking never ends by itself")


async def launch(hook: CanfarHook, *argv: str) -> str:
    async with hook.client() as client:
        (session_id,) = await client.create(name="stars", image="skaha/astroml:24.07", command=argv)
        return session_id


async def test_fifty_who_wait_are_served_by_one_poll(platform: Emulator, connect: Connect) -> None:
    session_id = await launch(connect(), "sleep", "1")
    platform.forget_requests()
    words = await asyncio.gather(*(wait_for_the_end(CanfarHook(), session_id) for _ in range(50)))
    assert words == ["Completed"] * 50
    assert platform.requests().keys() == {"GET /session"}
    assert platform.requests()["GET /session"] < 25


def test_blocking_code_waits_by_the_same_poll(platform: Emulator, connect: Connect) -> None:
    hook = connect()
    session_id = hook.run(lambda: launch(hook, "false"))
    assert hook.run(lambda: wait_for_the_end(hook, session_id)) == "Failed"


async def test_a_token_that_was_replaced_in_the_connection_is_found_there(
    platform: Emulator, connect: Connect
) -> None:
    hook = connect()
    session_id = await launch(hook, "sleep", "2")
    waiting = asyncio.create_task(wait_for_the_end(hook, session_id))
    await asyncio.sleep(0.5)
    connect(password="a-new-token")
    platform.rotate_token("a-new-token")
    assert await waiting == "Completed"


async def test_a_refused_token_is_told_to_all(platform: Emulator, connect: Connect) -> None:
    hook = connect()
    session_id = await launch(hook, "sleep", "30")
    waiting = [asyncio.create_task(wait_for_the_end(hook, session_id)) for _ in range(10)]
    await asyncio.sleep(0.5)
    platform.rotate_token("a-new-token")
    told = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(error) for error in told] == [AuthenticationError] * 10
    assert "Get a new token" in str(told[0])


async def test_where_a_login_gives_tokens_one_that_expires_is_fetched_once_for_all(
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
async def test_whatever_comes_instead_of_an_answer_is_waited_out(
    platform: Emulator, connect: Connect, faults: dict[str, Any]
) -> None:
    hook = connect(extra={"timeout": 0.2})
    session_id = await launch(hook, "sleep", "1")
    silent = []
    async with hook.watch([session_id], interval=0.1) as subscription:
        assert (await anext(subscription)).fault is None
        platform.faults(**faults)
        async for snapshot in subscription:
            silent.append(snapshot.fault is not None)
            if any(session.status.is_final for session in snapshot.sessions):
                break
    assert (any(silent), silent[-1]) == (True, False)


async def test_fifty_who_wait_for_room_ask_once(platform: Emulator, connect: Connect) -> None:
    connect()
    platform.forget_requests()
    free = await asyncio.gather(*(CanfarHook().shared_stats(within=60.0) for _ in range(50)))
    assert len({stats.free.cores for stats in free}) == 1
    assert platform.requests() == {"GET /session?view=stats": 1}


async def test_who_waits_for_room_finds_a_token_that_was_replaced_in_the_connection(
    platform: Emulator, connect: Connect
) -> None:
    hook = connect()
    await hook.shared_stats(within=0.0)
    platform.rotate_token("a-new-token")
    with pytest.raises(AuthenticationError):
        await hook.shared_stats(within=0.0)
    connect(password="a-new-token")
    assert (await hook.shared_stats(within=0.0)).free.cores
