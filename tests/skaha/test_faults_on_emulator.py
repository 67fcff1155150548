"""Each fault of the emulator, met by the client: which error, whether it may be done, and what has been done.

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

#: What a test waits for comes within so many seconds, or not at all.
PATIENCE = 30.0

MakeClient = Callable[..., SkahaClient]


@pytest.fixture(name="emulator")
def _emulator() -> Iterator[Emulator]:
    with running_emulator(start_delay=60.0) as emulator:
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
    return Login("astronomer", "password", f"{emulator.url.partition('/skaha/')[0]}/ac/login")


def timeouts(fault: str) -> Timeouts:
    """Wait for nobody who says nothing, and for everybody else."""
    return Timeouts(create=0.2, other=0.2) if fault == "out: silent" else Timeouts()


async def until(condition: Callable[[], bool]) -> None:
    last = real_time.monotonic() + PATIENCE
    while not condition():
        assert real_time.monotonic() < last
        await asyncio.sleep(0.02)


#: A fault; which error a create raises; whether it may have been done; how many sessions it has made.
CREATES: dict[str, tuple[dict[str, Any], type[RequestError], bool, int]] = {
    "closed before": ({"drop_before": {}}, Unreachable, True, 0),
    "closed after": ({"drop_after": {}}, Unreachable, True, 1),
    "503": ({"busy": {"retry_after": 7}}, ServiceBusy, True, 0),
    "502 in HTML": ({"html": {}}, ServerError, True, 0),
    "500": ({"server_error": {}}, ServerError, True, 0),
    "half an id": ({"truncated": {"method": "POST"}}, ServerError, True, 1),
    "no job, and none made": ({"not_created": {}}, ServerError, True, 0),
    "no job, and one made": ({"created_unseen": {}}, ServerError, True, 1),
    "401": ({"expired_token": {}}, AuthenticationError, False, 0),
    "out: 503": ({"outage": {"mode": "busy"}}, ServiceBusy, True, 0),
    "out: closed": ({"outage": {"mode": "close"}}, Unreachable, True, 0),
    "out: silent": ({"outage": {"mode": "hang"}}, Unreachable, True, 0),
}


@pytest.mark.parametrize("fault", CREATES)
async def test_a_create_is_sent_once_and_its_error_tells_whether_a_session_may_be_there(
    emulator: Emulator, make_client: MakeClient, fault: str
) -> None:
    """Where there is one, the list has it by its name; and nobody is told that there is certainly none."""
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


async def test_a_create_that_took_too_long_is_made_all_the_same(
    emulator: Emulator, make_client: MakeClient
) -> None:
    """As on the platform, which has been seen to take 90 s."""
    emulator.configure(create_latency=0.5)
    async with make_client(timeouts=Timeouts(create=0.1)) as client:
        with pytest.raises(Unreachable, match="nothing came within the time-out") as failure:
            await client.create(**SPEC)
        assert failure.value.maybe_applied
        assert await client.fetch() == []
        await until(lambda: bool(emulator.all_sessions()))
        assert len(await client.fetch()) == 1


async def test_a_create_where_nobody_listens_has_certainly_not_been_done(
    emulator: Emulator, make_client: MakeClient
) -> None:
    parts = urlsplit(emulator.url)

    def nobody_listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((parts.hostname, parts.port)) != 0

    emulator.faults(outage={"mode": "refuse", "seconds": 2})
    await until(nobody_listens)
    async with make_client() as client:
        with pytest.raises(Unreachable) as failure:
            await client.create(**SPEC)
        assert not failure.value.maybe_applied
        await until(lambda: not nobody_listens())
        await client.create(**SPEC)
    assert len(emulator.all_sessions()) == 1


async def test_of_many_replicas_each_is_told_what_became_of_it(
    emulator: Emulator, make_client: MakeClient
) -> None:
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


#: What passes: a read that meets it twice is answered at the third try.
PASSING: dict[str, dict[str, Any]] = {
    "closed before": {"drop_before": {"count": 2}},
    "closed after": {"drop_after": {"count": 2}},
    "503": {"busy": {"count": 2, "retry_after": 7}},
    "502 in HTML": {"html": {"count": 2}},
    "500": {"server_error": {"count": 2}},
    "half a JSON": {"truncated": {"count": 2}},
    "out: 503": {"outage": {"count": 2}},
    "out: closed": {"outage": {"mode": "close", "count": 2}},
}


@pytest.mark.parametrize("fault", PASSING)
async def test_a_read_outlives_what_passes(emulator: Emulator, make_client: MakeClient, fault: str) -> None:
    async with make_client() as client:
        (session_id,) = await client.create(**SPEC)
        emulator.forget_requests()
        emulator.faults(**PASSING[fault])
        assert [session.id for session in await client.fetch()] == [session_id]
    assert emulator.requests() == {"GET /session": 3}


@pytest.mark.parametrize("fault", [fault for fault in PASSING if fault != "half a JSON"])
async def test_a_destroy_outlives_what_passes(
    emulator: Emulator, make_client: MakeClient, fault: str
) -> None:
    async with make_client() as client:
        (session_id,) = await client.create(**SPEC)
        emulator.faults(**PASSING[fault])
        assert await client.destroy(session_id) == {session_id: True}
    assert emulator.all_sessions()[0]["deleted"]
    assert emulator.requests()["DELETE /session/{id}"] == 3


#: What does not pass, and the error that a read raises when its time is over.
LASTING: dict[str, tuple[dict[str, Any], type[RequestError], int | None]] = {
    "closed": ({"drop_before": {}}, Unreachable, None),
    "503": ({"busy": {}}, ServiceBusy, 503),
    "502 in HTML": ({"html": {}}, ServerError, 502),
    "500": ({"server_error": {}}, ServerError, 500),
    "half a JSON": ({"truncated": {}}, ServerError, 200),
    "out: silent": ({"outage": {"mode": "hang"}}, Unreachable, None),
}


@pytest.mark.parametrize("fault", LASTING)
async def test_what_lasts_is_told_when_the_time_is_over(
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


async def test_the_servers_own_time_is_heeded(
    emulator: Emulator, make_client: MakeClient, time: Time
) -> None:
    emulator.faults(busy={"count": 1, "retry_after": 17})
    async with make_client() as client:
        assert await client.fetch() == []
    (waited,) = time.slept
    assert 17 <= waited <= 18


async def test_a_page_of_a_proxy_is_told_by_its_first_line(
    emulator: Emulator, make_client: MakeClient
) -> None:
    emulator.faults(html={})
    async with make_client(retry_for=0) as client:
        with pytest.raises(ServerError, match=r"502: 502 Bad Gateway") as failure:
            await client.fetch()
    assert "<" not in str(failure.value)


async def test_many_at_once_outlive_a_platform_that_fails_every_third_time(
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


async def test_a_destroy_that_nobody_saw_is_no_success(emulator: Emulator, make_client: MakeClient) -> None:
    """The session was told to go, and the platform does not say whether it did."""
    async with make_client(retry_for=0) as client:
        (session_id,) = await client.create(**SPEC)
        emulator.faults(server_error={"method": "GET"})
        with pytest.raises(ServerError) as failure:
            await client.destroy(session_id)
    assert failure.value.__notes__ == [f"The session {session_id} was told to go; nobody saw whether it did."]


async def test_an_outage_is_never_taken_for_a_session_that_is_gone(
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


async def test_a_token_that_has_ended_is_told_at_once_with_what_to_do(
    emulator: Emulator, make_client: MakeClient
) -> None:
    emulator.faults(expired_token={})
    async with make_client() as client:
        with pytest.raises(AuthenticationError, match="bearer token") as failure:
            await client.fetch()
    assert failure.value.status == 401
    assert failure.value.server_message == "token is invalid or has expired"
    assert emulator.requests() == {"GET /session": 1}


async def test_a_login_gets_another_token_when_the_first_has_ended(
    emulator: Emulator, make_client: MakeClient
) -> None:
    """A create that was refused for its token has made nothing, so it is sent with the next one."""
    async with make_client(login(emulator)) as client:
        await client.fetch()
        emulator.faults(expired_token={"count": 1, "method": "POST", "path": "session"})
        await client.create(**SPEC)
    assert len(emulator.all_sessions()) == 1
    assert emulator.requests() == {"POST /ac/login": 2, "GET /session": 1, "POST /session": 2}


async def test_a_hundred_who_meet_rotated_tokens_log_in_once(
    emulator: Emulator, make_client: MakeClient
) -> None:
    async with make_client(login(emulator)) as client:
        await client.fetch()
        emulator.rotate_token()
        emulator.forget_requests()
        lists = await asyncio.gather(*(client.fetch() for _ in range(100)))
    assert lists == [[]] * 100
    assert emulator.requests()["POST /ac/login"] == 1


async def test_a_rotated_token_is_no_outage(emulator: Emulator, make_client: MakeClient) -> None:
    async with make_client() as client:
        emulator.rotate_token("another")
        with pytest.raises(AuthenticationError) as failure:
            await client.create(**SPEC)
        assert not failure.value.maybe_applied
    async with make_client(Token("another")) as client:
        assert await client.fetch() == []
    assert emulator.all_sessions() == []


async def test_a_login_service_that_is_out_is_waited_for_and_nothing_is_made_meanwhile(
    emulator: Emulator, make_client: MakeClient
) -> None:
    emulator.faults(busy={"path": "/ac/login", "count": 2})
    async with make_client(login(emulator)) as client:
        with pytest.raises(ServiceBusy) as failure:
            await client.create(**SPEC)
        assert not failure.value.maybe_applied
        assert await client.whoami() == "astronomer"
    assert emulator.requests() == {"POST /ac/login": 3, "GET /session": 1}
