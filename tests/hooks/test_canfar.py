"""The hook on the emulator: an Airflow connection, in each form that Airflow has, becomes a client."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from airflow.sdk import Connection

from airflow_provider_canfar.hooks.canfar import CanfarHook
from airflow_provider_canfar.skaha.client import SkahaClient
from airflow_provider_canfar.skaha.errors import AuthenticationError, Rejected, SpecError
from airflow_provider_canfar.testing import CONNECTION_VARIABLE, Emulator, running_emulator

TOKEN = "a/token+with=signs"


@pytest.fixture(name="platform", scope="module")
def _platform() -> Iterator[Emulator]:
    with running_emulator(token=TOKEN, user="mcurie", password="a-password") as emulator:
        yield emulator


Connect = Callable[[str], CanfarHook]


@pytest.fixture(name="connect")
def _connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Define the default connection in the environment, and return a hook that has not read it yet."""

    def connect(connection: str) -> CanfarHook:
        monkeypatch.setenv(CONNECTION_VARIABLE, connection)
        return CanfarHook()

    return connect


def as_json(platform: Emulator, **fields: Any) -> str:
    return json.dumps(platform.connection | fields)


def as_airflow_writes_it(platform: Emulator) -> str:
    """Return what ``airflow connections export`` makes of it."""
    return Connection(conn_id="x", conn_type="canfar", host=platform.url, password=TOKEN).get_uri()


def whole_url_quoted(platform: Emulator) -> str:
    return f"canfar://:{quote(TOKEN, safe='')}@{quote(platform.url, safe='')}"


def in_parts(platform: Emulator) -> str:
    address = platform.url.removeprefix("http://").partition("/")[0]
    return f"canfar://:{quote(TOKEN, safe='')}@{address}/skaha%2Fv1"


def with_a_protocol(platform: Emulator) -> str:
    return in_parts(platform).replace("canfar://", "canfar://http://")


def without_a_path(platform: Emulator) -> str:
    return in_parts(platform).removesuffix("/skaha%2Fv1")


def with_a_login(platform: Emulator) -> str:
    root = platform.url.partition("/skaha/")[0]
    address = root.removeprefix("http://")
    return f"canfar://mcurie:a-password@{address}/?login_url={quote(f'{root}/ac/login', safe='')}"


def with_extra_in_json(platform: Emulator) -> str:
    root = platform.url.partition("/skaha/")[0]
    return as_json(platform, login="mcurie", password="a-password", extra={"login_url": f"{root}/ac/login"})


FORMS = [
    as_json,
    as_airflow_writes_it,
    whole_url_quoted,
    in_parts,
    with_a_protocol,
    without_a_path,
    with_a_login,
    with_extra_in_json,
]


@pytest.mark.parametrize("form", FORMS)
async def test_each_form_of_a_connection_leads_async_code_to_the_platform(
    form: Callable[[Emulator], str], platform: Emulator, connect: Connect
) -> None:
    async with connect(form(platform)).client() as client:
        assert client.url == platform.url
        assert await client.whoami() == "mcurie"


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_a_connection_leads_blocking_code_to_the_platform(
    form: Callable[[Emulator], str], platform: Emulator, connect: Connect
) -> None:
    assert connect(form(platform)).call(lambda client: client.whoami()) == "mcurie"


def test_the_connection_is_not_read_before_it_is_needed(
    platform: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = CanfarHook("made_later")
    monkeypatch.setenv("AIRFLOW_CONN_MADE_LATER", json.dumps(platform.connection))
    assert hook.call(lambda client: client.whoami()) == "mcurie"


async def test_the_connection_is_read_once(
    platform: Emulator, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hook keeps its settings, whatever Airflow returns later."""
    hook = connect(as_json(platform))
    async with hook.client() as client:
        await client.whoami()
    monkeypatch.delenv(CONNECTION_VARIABLE)
    async with hook.client() as client:
        assert await client.whoami() == "mcurie"
    assert hook.settings.url == platform.url


def test_blocking_and_async_code_share_the_settings(
    platform: Emulator, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = connect(as_json(platform))
    assert hook.settings.url == platform.url
    monkeypatch.delenv(CONNECTION_VARIABLE)
    assert hook.call(lambda client: client.whoami()) == "mcurie"


async def test_a_blocking_call_inside_a_running_loop_says_what_to_do_instead(
    platform: Emulator, connect: Connect
) -> None:
    platform.forget_requests()
    hook = connect(as_json(platform))
    with pytest.raises(RuntimeError, match=r"inside a running event loop.*async with hook\.client\(\)"):
        hook.call(lambda client: client.whoami())
    assert platform.requests() == {}


#: The blocking calls, with the fewest arguments for each.
VERBS: dict[str, tuple[Any, ...]] = {
    "create": (None,),
    "fetch": (),
    "info": ("k3v9x2qa",),
    "events": ("k3v9x2qa",),
    "events_text": ("k3v9x2qa",),
    "logs": ("k3v9x2qa",),
    "renew": ("k3v9x2qa",),
    "destroy": ("k3v9x2qa",),
    "destroy_with": ("stars",),
    "stats": (),
    "context": (),
    "images": (),
    "repositories": (),
    "connect_url": ("k3v9x2qa",),
    "whoami": (),
    "test_connection": (),
}


def test_blocking_code_has_the_clients_verbs() -> None:
    """Except those that make no sense there: a single replica, a stream, a poll, another credential."""
    async_only = {"create_replica", "stream_logs", "poll", "url", "replace_credential"}
    verbs = {name for name in dir(SkahaClient) if not name.startswith("_")}
    assert verbs - async_only == set(VERBS) - {"test_connection"}


@pytest.mark.parametrize("verb", VERBS)
async def test_a_blocking_call_inside_a_running_loop_fails_before_the_connection_is_read(verb: str) -> None:
    """A triggerer's loop cannot read a connection in blocking code, and says that it is not defined."""
    with pytest.raises(RuntimeError, match="inside a running event loop"):
        getattr(CanfarHook("nowhere"), verb)(*VERBS[verb])


def test_blocking_code_creates_finds_and_destroys_a_session(platform: Emulator, connect: Connect) -> None:
    hook = connect(as_json(platform))
    ids = hook.create(name="stars", image="skaha/astroml:24.07", command=["sleep", "60"], replicas=2)
    assert {session.id for session in hook.fetch(kind="headless")} == set(ids)
    assert list(hook.info(ids)) == ids
    assert hook.logs(ids) == dict.fromkeys(ids, "")
    assert hook.destroy(ids) == dict.fromkeys(ids, True)


def test_blocking_code_sends_the_connections_registry_credentials(
    platform: Emulator, connect: Connect
) -> None:
    private: dict[str, Any] = {
        "name": "stars",
        "image": "images.canfar.net/private/stars:1",
        "kind": "notebook",
    }
    with pytest.raises(Rejected, match="unknown or private image"):
        connect(as_json(platform)).create(**private)
    extra = {"registry_username": "mcurie", "registry_secret": "a-secret"}
    hook = connect(as_json(platform, extra=extra))
    assert hook.destroy(hook.create(**private))


async def test_async_code_sends_the_connections_registry_credentials_too(
    platform: Emulator, connect: Connect
) -> None:
    extra = {"registry_username": "mcurie", "registry_secret": "a-secret"}
    async with connect(as_json(platform, extra=extra)).client() as client:
        ids = await client.create(name="stars", image="images.canfar.net/private/stars:1", kind="notebook")
        assert await client.destroy(ids)


def test_the_connection_can_be_tested(platform: Emulator, connect: Connect) -> None:
    assert connect(as_json(platform)).test_connection() == (
        True,
        (
            f"Connected to {platform.url} as mcurie (bearer token). "
            f"The storage for arc:// paths is {platform.url.replace('/skaha/v1', '/arc')}."
        ),
    )
    succeeded, message = connect(as_json(platform, password="wrong")).test_connection()
    assert not succeeded
    assert "Get a new token" in message


def test_blocking_calls_of_several_threads_run_at_the_same_time(platform: Emulator, connect: Connect) -> None:
    hook = connect(as_json(platform))
    both = threading.Barrier(2, timeout=30)
    users: list[str] = []

    async def meet(client: SkahaClient) -> str:
        """Continue only while another thread's call is running as well."""
        await asyncio.to_thread(both.wait)
        return await client.whoami()

    threads = [threading.Thread(target=lambda: users.append(hook.call(meet))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert users == ["mcurie", "mcurie"]


def test_a_call_fails_after_its_timeout(platform: Emulator, connect: Connect) -> None:
    platform.faults(outage={"mode": "hang"})
    try:
        with pytest.raises(TimeoutError):
            connect(as_json(platform)).call(lambda client: client.whoami(), timeout=0.2)
    finally:
        platform.clear_faults()


def test_the_client_uses_the_connections_timeouts(platform: Emulator, connect: Connect) -> None:
    hook = connect(as_json(platform, extra={"timeout": "5", "create_timeout": 90}))
    assert (hook.settings.timeouts.other, hook.settings.timeouts.create) == (5.0, 90.0)


async def test_errors_say_what_to_change_in_the_connection(platform: Emulator, connect: Connect) -> None:
    with pytest.raises(AuthenticationError, match=r"The credential was the bearer token\. Get a new token"):
        async with connect(as_json(platform, password="wrong")).client() as client:
            await client.whoami()
    with pytest.raises(SpecError, match="Missing credential"):
        async with connect(as_json(platform, password="")).client():
            raise AssertionError("there is no credential")
    with pytest.raises(SpecError, match="registry_secret"):
        async with connect(as_json(platform, extra={"registry_username": "mcurie"})).client():
            raise AssertionError("the credential is incomplete")


@pytest.mark.parametrize("field", ["login_url", "certificate_url"])
def test_an_invalid_url_is_rejected_by_its_name(platform: Emulator, connect: Connect, field: str) -> None:
    extra = {field: "https://skaha.test:https/ac/login"}
    with pytest.raises(SpecError, match=rf"Invalid {field} "):
        connect(as_json(platform, login="mcurie", extra=extra)).whoami()
