"""Each fault of the emulator: which error it raises, whether the request may have been applied, and was it.

The client's time is scripted, so that its pauses take none; the emulator's faults are real.
"""

from __future__ import annotations

import asyncio
import socket
import time as real_time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from airflow_provider_canfar.skaha.client import SkahaClient, Timeouts
from airflow_provider_canfar.skaha.credentials import Credential, Login, Token
from airflow_provider_canfar.skaha.errors import (
    AuthenticationError,
    NotFound,
    PartialFailure,
    RequestError,
    ServerError,
    ServiceBusy,
    Unreachable,
)
from airflow_provider_canfar.testing import Emulator, running_emulator

if TYPE_CHECKING:
    from tests.skaha.conftest import Time

SPEC: dict[str, Any] = {"name": "stars", "image": "images.canfar.net/skaha/astroml:24.07"}

#: Seconds after which a test stops waiting.
PATIENCE = 30.0

PASSWORD = "correct-horse"

MakeClient = Callable[..., SkahaClient]


@pytest.fixture(name="emulator")
def _emulator() -> Iterator[Emulator]:
    with running_emulator(start_delay=60.0, password=PASSWORD) as emulator:
        yield emulator


@pytest.fixture(name="make_client")
def _make_client(emulator: Emulator, time: Time) -> MakeClient:
    """Make clients of the emulator on the scripted time."""

    def make(credential: Credential | None = None, **options: Any) -> SkahaClient:
        settings: dict[str, Any] = {"clock": time.clock, "sleep": time.sleep}
        return SkahaClient(emulator.url, credential or Token(emulator.token), **(settings | options))

    return make


def login(emulator: Emulator) -> Login:
    """Return a credential that fetches tokens from the emulator itself."""
    return Login("astronomer", PASSWORD, f"{emulator.url.partition('/skaha/')[0]}/ac/login")


def timeouts(fault: str) -> Timeouts:
    """Return short timeouts for a platform that hangs."""
    return Timeouts(create=0.2, other=0.2) if fault == "out: silent" else Timeouts()


async def until(condition: Callable[[], bool]) -> None:
    last = real_time.monotonic() + PATIENCE
    while not condition():
        assert real_time.monotonic() < last
        await asyncio.sleep(0.02)


#: A fault; the error that a create raises; whether it may have been applied; how many sessions it created.
CREATES: dict[str, tuple[dict[str, Any], type[RequestError], bool, int]] = {
    "closed before": ({"drop_before": {}}, Unreachable, True, 0),
    "closed after": ({"drop_after": {}}, Unreachable, True, 1),
    "503": ({"busy": {"retry_after": 7}}, ServiceBusy, True, 0),
    "502 in HTML": ({"html": {}}, ServerError, True, 0),
    "500": ({"server_error": {}}, ServerError, True, 0),
    "truncated id": ({"truncated": {"method": "POST"}}, ServerError, True, 1),
    "no job, and none made": ({"not_created": {}}, ServerError, True, 0),
    "no job, and one made": ({"created_unseen": {}}, ServerError, True, 1),
    "401": ({"expired_token": {}}, AuthenticationError, False, 0),
    "out: 503": ({"outage": {"mode": "busy"}}, ServiceBusy, True, 0),
    "out: closed": ({"outage": {"mode": "close"}}, Unreachable, True, 0),
    "out: silent": ({"outage": {"mode": "hang"}}, Unreachable, True, 0),
}


@pytest.mark.parametrize("fault", CREATES)
async def test_a_create_is_sent_once_and_its_error_says_whether_a_session_may_exist(
    emulator: Emulator, make_client: MakeClient, fault: str
) -> None:
    """If it exists, the list has it by its name; and the error never says that it certainly does not."""
    faults, error, maybe_applied, made = CREATES[fault]
    emulator.faults(**faults)
    async with make_client(timeouts=timeouts(fault)) as client:
        with pytest.raises(error) as failure:
            await client.create(**SPEC)
        assert emulator.requests() == {"POST /session": 1}
        emulator.clear_faults()
        listed = [session.id for session in await client.fetch() if session.name == "stars"]
    assert (failure.value.method, failure.value.path) == ("POST", "session")
    assert failure.value.maybe_applied is maybe_applied
    assert len(listed) == made
    assert listed == [session["id"] for session in emulator.all_sessions()]


async def test_a_create_that_timed_out_may_still_create_its_session(
    emulator: Emulator, make_client: MakeClient
) -> None:
    """On the platform, creates have taken 90 s."""
    emulator.configure(create_latency=0.5)
    async with make_client(timeouts=Timeouts(create=0.1)) as client:
        with pytest.raises(Unreachable, match="nothing arrived within the timeout") as failure:
            await client.create(**SPEC)
        assert failure.value.maybe_applied
        assert await client.fetch() == []
        await until(lambda: bool(emulator.all_sessions()))
        assert len(await client.fetch()) == 1


async def test_a_create_on_a_refused_connection_has_certainly_not_been_applied(
    emulator: Emulator, make_client: MakeClient
) -> None:
    parts = urlsplit(emulator.url)

    def is_refused() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((parts.hostname, parts.port)) != 0

    emulator.faults(outage={"mode": "refuse", "seconds": 2})
    await until(is_refused)
    async with make_client() as client:
        with pytest.raises(Unreachable) as failure:
            await client.create(**SPEC)
        assert not failure.value.maybe_applied
        await until(lambda: not is_refused())
        await client.create(**SPEC)
    assert len(emulator.all_sessions()) == 1


async def test_a_create_of_many_replicas_reports_each(emulator: Emulator, make_client: MakeClient) -> None:
    emulator.faults(busy={"count": 2}, created_unseen={"count": 1})
    async with make_client() as client:
        with pytest.raises(PartialFailure) as failure:
            await client.create(**SPEC, replicas=8)
    results, errors = failure.value.results, failure.value.errors
    assert sorted([*results, *errors]) == list(range(1, 9))
    assert sorted(type(error).__name__ for error in errors.values()) == [
        "ServerError",
        "ServiceBusy",
        "ServiceBusy",
    ]
    made = {session["id"]: int(session["replica_id"]) for session in emulator.all_sessions()}
    assert {replica: made.pop(session_id) for replica, session_id in results.items()} == {
        replica: replica for replica in results
    }
    (unseen,) = made.values()
    assert isinstance(errors[unseen], ServerError)
    assert failure.value.retryable


#: Transient faults: a read fails twice and succeeds at the third try.
TRANSIENT: dict[str, dict[str, Any]] = {
    "closed before": {"drop_before": {"count": 2}},
    "closed after": {"drop_after": {"count": 2}},
    "503": {"busy": {"count": 2, "retry_after": 7}},
    "502 in HTML": {"html": {"count": 2}},
    "500": {"server_error": {"count": 2}},
    "truncated JSON": {"truncated": {"count": 2}},
    "out: 503": {"outage": {"count": 2}},
    "out: closed": {"outage": {"mode": "close", "count": 2}},
}


@pytest.mark.parametrize("fault", TRANSIENT)
async def test_a_read_survives_transient_faults(
    emulator: Emulator, make_client: MakeClient, fault: str
) -> None:
    async with make_client() as client:
        (session_id,) = await client.create(**SPEC)
        emulator.forget_requests()
        emulator.faults(**TRANSIENT[fault])
        assert [session.id for session in await client.fetch()] == [session_id]
    assert emulator.requests() == {"GET /session": 3}


@pytest.mark.parametrize("fault", [fault for fault in TRANSIENT if fault != "truncated JSON"])
async def test_a_destroy_survives_transient_faults(
    emulator: Emulator, make_client: MakeClient, fault: str
) -> None:
    async with make_client() as client:
        (session_id,) = await client.create(**SPEC)
        emulator.faults(**TRANSIENT[fault])
        assert await client.destroy(session_id) == {session_id: True}
    assert emulator.all_sessions()[0]["deleted"]
    assert emulator.requests()["DELETE /session/{id}"] == 3


#: Lasting faults, and the error that a read raises after its time is over.
LASTING: dict[str, tuple[dict[str, Any], type[RequestError], int | None]] = {
    "closed": ({"drop_before": {}}, Unreachable, None),
    "503": ({"busy": {}}, ServiceBusy, 503),
    "502 in HTML": ({"html": {}}, ServerError, 502),
    "500": ({"server_error": {}}, ServerError, 500),
    "truncated JSON": ({"truncated": {}}, ServerError, 200),
    "out: silent": ({"outage": {"mode": "hang"}}, Unreachable, None),
}


@pytest.mark.parametrize("fault", LASTING)
async def test_a_lasting_fault_is_raised_after_the_time_is_over(
    emulator: Emulator, make_client: MakeClient, time: Time, fault: str
) -> None:
    faults, error, status = LASTING[fault]
    emulator.faults(**faults)
    async with make_client(retry_for=20.0, timeouts=timeouts(fault)) as client:
        with pytest.raises(error) as failure:
            await client.fetch()
    assert failure.value.status == status
    assert emulator.requests()["GET /session"] == len(time.slept) + 1
    assert len(time.slept) > 1
    assert sum(time.slept) <= 20.0


async def test_a_retry_waits_for_the_servers_retry_after(
    emulator: Emulator, make_client: MakeClient, time: Time
) -> None:
    emulator.faults(busy={"count": 1, "retry_after": 17})
    async with make_client() as client:
        assert await client.fetch() == []
    (waited,) = time.slept
    assert 17 <= waited <= 18


async def test_the_error_about_a_proxys_page_has_its_first_line(
    emulator: Emulator, make_client: MakeClient
) -> None:
    emulator.faults(html={})
    async with make_client(retry_for=0) as client:
        with pytest.raises(ServerError, match=r"status 502: 502 Bad Gateway") as failure:
            await client.fetch()
    assert "<" not in str(failure.value)


async def test_many_requests_at_once_survive_a_platform_that_fails_every_third_time(
    emulator: Emulator, make_client: MakeClient
) -> None:
    async with make_client() as client:
        ids = await client.create(**SPEC, replicas=16)
        emulator.faults(busy={"rate": 0.15}, drop_before={"rate": 0.15}, html={"rate": 0.05})
        assert list(await client.info(ids)) == ids
        assert await client.logs(ids) == dict.fromkeys(ids, "")
        assert await client.destroy(ids) == dict.fromkeys(ids, True)
    assert all(session["deleted"] for session in emulator.all_sessions())
    assert sum(emulator.requests().values()) > 5 * 16


async def test_an_unconfirmed_destroy_is_not_a_success(emulator: Emulator, make_client: MakeClient) -> None:
    """The platform accepted the delete, and does not say whether the session is gone."""
    async with make_client(retry_for=0) as client:
        (session_id,) = await client.create(**SPEC)
        emulator.faults(server_error={"method": "GET"})
        with pytest.raises(ServerError) as failure:
            await client.destroy(session_id)
    assert failure.value.__notes__ == [f"Session {session_id}: delete was requested but not confirmed."]


async def test_an_outage_is_never_mistaken_for_a_gone_session(
    emulator: Emulator, make_client: MakeClient
) -> None:
    async with make_client(retry_for=0) as client:
        (session_id,) = await client.create(**SPEC)
        for fault in ("html", "busy", "drop_before", "expired_token"):
            emulator.clear_faults()
            emulator.faults(**{fault: {}})
            for verb in (client.info, client.destroy, client.events):
                with pytest.raises(RequestError) as failure:
                    await verb(session_id)
                assert not isinstance(failure.value, NotFound)
        emulator.clear_faults()
        assert list(await client.info(session_id)) == [session_id]


async def test_an_expired_token_fails_at_once_with_a_way_out(
    emulator: Emulator, make_client: MakeClient
) -> None:
    emulator.faults(expired_token={})
    async with make_client() as client:
        with pytest.raises(AuthenticationError, match="bearer token") as failure:
            await client.fetch()
    assert failure.value.status == 401
    assert failure.value.server_message == "token is invalid or has expired"
    assert emulator.requests() == {"GET /session": 1}


async def test_a_login_fetches_another_token_when_the_first_has_expired(
    emulator: Emulator, make_client: MakeClient
) -> None:
    """A create whose token was refused has created nothing, so it is sent again with the next token."""
    async with make_client(login(emulator)) as client:
        await client.fetch()
        emulator.faults(expired_token={"count": 1, "method": "POST", "path": "session"})
        await client.create(**SPEC)
    assert len(emulator.all_sessions()) == 1
    assert emulator.requests() == {"POST /ac/login": 2, "GET /session": 1, "POST /session": 2}


async def test_a_hundred_requests_with_a_rotated_token_log_in_once(
    emulator: Emulator, make_client: MakeClient
) -> None:
    async with make_client(login(emulator)) as client:
        await client.fetch()
        emulator.rotate_token()
        emulator.forget_requests()
        lists = await asyncio.gather(*(client.fetch() for _ in range(100)))
    assert lists == [[]] * 100
    assert emulator.requests()["POST /ac/login"] == 1


async def test_a_rotated_token_is_not_an_outage(emulator: Emulator, make_client: MakeClient) -> None:
    async with make_client() as client:
        emulator.rotate_token("another")
        with pytest.raises(AuthenticationError) as failure:
            await client.create(**SPEC)
        assert not failure.value.maybe_applied
    async with make_client(Token("another")) as client:
        assert await client.fetch() == []
    assert emulator.all_sessions() == []


async def test_requests_wait_for_a_login_service_that_is_down_and_create_nothing_meanwhile(
    emulator: Emulator, make_client: MakeClient
) -> None:
    emulator.faults(busy={"path": "/ac/login", "count": 2})
    async with make_client(login(emulator)) as client:
        with pytest.raises(ServiceBusy) as failure:
            await client.create(**SPEC)
        assert not failure.value.maybe_applied
        assert await client.whoami() == "astronomer"
    assert emulator.requests() == {"POST /ac/login": 3, "GET /session": 1}
