"""The platform's own client and ours, on the same emulator: the same calls have the same results.

Any difference is intended; docs/differences.md has each of them, with its reason.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from functools import partial
from typing import Any

import pytest

from airflow_provider_canfar.skaha.client import SkahaClient
from airflow_provider_canfar.skaha.credentials import Token
from airflow_provider_canfar.skaha.errors import PartialFailure, Rejected, SpecError
from airflow_provider_canfar.skaha.models import ResourceOptions, Session, Stats
from airflow_provider_canfar.testing import Emulator, running_emulator
from tests.parity.official_client import OfficialClient, TheirError, official_client

IMAGE = "images.canfar.net/skaha/astroml:24.07"
SPEC: dict[str, Any] = {"name": "stars", "image": IMAGE}

#: Seconds after which a test stops waiting.
PATIENCE = 30.0

#: Recorded fields of a session that are its own, and not part of the request.
ITS_OWN = {"id", "name", "folder", "created", "started", "ended", "exit_code", "starts", "state", "status"}
ITS_OWN |= {"deleted", "forgotten", "live", "environment"}
ITS_OWN_VARIABLES = {"PWD", "skaha_sessionid"}

Theirs = Callable[..., Any]


@pytest.fixture(name="process", scope="module")
def _process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OfficialClient]:
    with official_client(tmp_path_factory.mktemp("home")) as client:
        yield client


@pytest.fixture(name="emulator")
def _emulator() -> Iterator[Emulator]:
    with running_emulator(start_delay=0.0, flicker=0.0) as emulator:
        yield emulator


@pytest.fixture(name="theirs")
def _theirs(process: OfficialClient, emulator: Emulator) -> Theirs:
    """Call a method of ``canfar.sessions.Session``."""
    return partial(process.call, emulator)


@pytest.fixture(name="ours")
async def _ours(emulator: Emulator) -> AsyncIterator[SkahaClient]:
    async with SkahaClient(emulator.url, Token(emulator.token), retry_for=0) as client:
        yield client


async def settle(ours: SkahaClient, states: Mapping[str, str]) -> None:
    """Wait until sessions are in their states, both given by the platform's words."""
    last = time.monotonic() + PATIENCE
    while {key: one.status_word for key, one in (await ours.info(states)).items()} != states:
        assert time.monotonic() < last
        await asyncio.sleep(0.02)


async def some_of_each(ours: SkahaClient) -> dict[str, str]:
    """Make a session in each of the usual states; return their ids by their names."""
    ids = {}
    for name, argv in (("won", ["echo", "won"]), ("lost", ["false"]), ("runs", ["sleep", "60"])):
        (ids[name],) = await ours.create(**SPEC | {"name": name}, command=argv)
    (ids["notebook"],) = await ours.create(**SPEC | {"name": "notebook"}, kind="notebook", cores=2, ram=8)
    words = {"won": "Completed", "lost": "Failed", "runs": "Running", "notebook": "Running"}
    await settle(ours, {ids[name]: word for name, word in words.items()})
    return ids


def parse(sessions: list[dict[str, Any]]) -> list[Session]:
    """Parse what they return; an incomplete session would not equal ours."""
    return [Session.model_validate(session) for session in sessions]


# The same.


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"cmd": "printf", "args": "%s-%s a b"},
        {"args": "--version"},
        {"cmd": "env", "env": {"TILE": "M13", "BAND": "g r", "DEPTH": 25}},
        {"cores": 2, "ram": 8},
        {"kind": "notebook", "cores": 4, "ram": 16},
        {"kind": "carta"},
        {"image": "skaha/astroml"},
        {"replicas": 3, "cmd": "env"},
    ],
)
async def test_create_requests_the_same(
    emulator: Emulator, theirs: Theirs, ours: SkahaClient, fields: dict[str, Any]
) -> None:
    by_them = theirs("create", **SPEC | fields)
    by_us = await ours.create(**SPEC | fields)
    record = {one["id"]: one for one in emulator.all_sessions()}
    assert len(by_them) == len(by_us) == fields.get("replicas", 1)
    for their_id, our_id in zip(by_them, by_us, strict=True):
        # Ours are sent at once, so that the record has them in any order; the ids are in the replicas' order.
        assert record[their_id]["name"] == record[our_id]["name"]
        assert requested(record[their_id]) == requested(record[our_id])


def requested(recorded: dict[str, Any]) -> dict[str, Any]:
    """Return the requested part of a record."""
    variables = {k: v for k, v in recorded["environment"].items() if k not in ITS_OWN_VARIABLES}
    return {key: value for key, value in recorded.items() if key not in ITS_OWN} | {"env": variables}


async def test_fetch_lists_the_same_sessions_whatever_the_filter(theirs: Theirs, ours: SkahaClient) -> None:
    await some_of_each(ours)
    (app,) = theirs("create", **SPEC, kind="desktop-app")
    await settle(ours, {app: "Running"})
    listed = []
    for kind in (None, "headless", "notebook", "carta", "desktop-app"):
        for status in (None, "Pending", "Running", "Terminating", "Completed", "Failed"):
            sessions = await ours.fetch(kind=kind, status=status)
            assert sessions == parse(theirs("fetch", kind=kind, status=status)), (kind, status)
            listed.append(len(sessions))
    assert sum(listed) == 4 + 4 + 3 + 3 + 1 + 1 + 1 + 1
    assert app not in [session.id for session in await ours.fetch()]


async def test_info_shows_the_same_session(theirs: Theirs, ours: SkahaClient) -> None:
    ids = list((await some_of_each(ours)).values())
    assert list((await ours.info(ids)).values()) == parse(theirs("info", ids))
    assert list((await ours.info(ids[0])).values()) == parse(theirs("info", ids[0]))


async def test_events_have_the_same_text(theirs: Theirs, ours: SkahaClient) -> None:
    ids = list((await some_of_each(ours)).values())
    texts = await ours.events_text(ids)
    assert [{session_id: text} for session_id, text in texts.items()] == theirs("events", ids)
    assert all(len(events) == 5 for events in (await ours.events(ids)).values())


async def test_logs_have_the_same_text(theirs: Theirs, ours: SkahaClient) -> None:
    ids = await some_of_each(ours)
    logs = await ours.logs([*ids.values(), "k3v9x2qa"])
    assert logs == theirs("logs", [*ids.values(), "k3v9x2qa"])
    assert logs[ids["won"]] == "won\n"


@pytest.mark.parametrize(
    ("prefix", "filters", "names"),
    [
        ("find", {"status": "Pending"}, {"find-stars-1", "find-stars-2", "find-galaxies"}),
        ("find-s", {"status": "Pending"}, {"find-stars-1", "find-stars-2"}),
        ("stars", {"status": "Pending"}, set()),
        ("stars.", {"status": "Pending"}, {"find-stars-1", "find-stars-2"}),
        ("^find-.*[0-9]$", {"status": "Pending"}, {"find-stars-1", "find-stars-2"}),
        ("(galaxies|stars-1)", {"status": "Pending"}, {"find-galaxies", "find-stars-1"}),
        ("find", {"status": "Pending", "kind": "notebook"}, {"find-1"}),
        ("find", {"status": "Running"}, set()),
        ("find", {}, set()),
    ],
)
async def test_destroy_with_destroys_the_same(
    emulator: Emulator,
    theirs: Theirs,
    ours: SkahaClient,
    prefix: str,
    filters: dict[str, str],
    names: set[str],
) -> None:
    emulator.configure(start_delay=60)

    async def destroyed(destroy_with: Callable[..., Awaitable[dict[str, bool]]]) -> set[str]:
        """Make sessions, have some of them destroyed, and return which."""
        before = len(emulator.all_sessions())
        for name, kind, replicas in (("find-stars", "headless", 2), ("find-galaxies", "headless", 1)):
            await ours.create(name=name, image=IMAGE, kind=kind, replicas=replicas)
        await ours.create(name="find-1", image=IMAGE, kind="notebook")
        result = await destroy_with(prefix, **filters)
        made = emulator.all_sessions()[before:]
        assert result == {one["id"]: True for one in made if one["deleted"]}
        await ours.destroy([one["id"] for one in made])
        return {one["name"] for one in made if one["deleted"]}

    assert await destroyed(partial(asyncio.to_thread, theirs, "destroy_with")) == names
    assert await destroyed(ours.destroy_with) == names


async def test_renew_and_destroy_return_the_same_for_running_sessions(
    theirs: Theirs, ours: SkahaClient
) -> None:
    ids = await some_of_each(ours)
    alive = [ids["notebook"], ids["runs"]]
    assert await ours.renew(alive) == theirs("renew", alive) == dict.fromkeys(alive, True)
    assert theirs("destroy", alive[0]) == {alive[0]: True}
    assert await ours.destroy(alive[1]) == {alive[1]: True}
    assert await ours.destroy(alive) == theirs("destroy", alive)


async def test_stats_context_and_images_are_the_same(theirs: Theirs, ours: SkahaClient) -> None:
    await some_of_each(ours)
    assert await ours.stats() == Stats.model_validate(theirs("stats"))
    assert await ours.context() == ResourceOptions.model_validate(theirs("resources", of="context.Context"))
    for kind in (None, "headless", "carta"):
        images = [image.id for image in await ours.images(kind)]
        assert images == theirs("fetch", kind, of="images.Images")


# Intended differences.


async def test_a_partly_failed_create_raises_with_the_other_ids(
    emulator: Emulator, theirs: Theirs, ours: SkahaClient
) -> None:
    emulator.faults(busy={"count": 1})
    assert len(theirs("create", **SPEC, replicas=3)) == 2
    emulator.faults(busy={"count": 1})
    with pytest.raises(PartialFailure) as failure:
        await ours.create(**SPEC, replicas=3)
    assert len(failure.value.results) == 2


async def test_an_argument_with_a_space_in_quotes_stays_one(theirs: Theirs, ours: SkahaClient) -> None:
    call: dict[str, Any] = {"cmd": "printf", "args": "[%s] 'Hello, World!'"}
    (by_them,) = theirs("create", **SPEC, **call)
    (by_us,) = await ours.create(**SPEC, **call)
    await settle(ours, dict.fromkeys([by_them, by_us], "Completed"))
    assert await ours.logs([by_them, by_us]) == {by_them: "['Hello,][World!']", by_us: "[Hello, World!]"}


async def test_a_value_with_an_equals_sign_arrives(
    emulator: Emulator, theirs: Theirs, ours: SkahaClient
) -> None:
    """The server drops it silently."""
    call: dict[str, Any] = {"cmd": "printenv", "args": "QUERY", "env": {"QUERY": "ra=1"}}
    theirs("create", **SPEC, **call)
    assert "QUERY" not in emulator.all_sessions()[0]["environment"]
    (by_us,) = await ours.create(**SPEC, **call)
    await settle(ours, {by_us: "Completed"})
    assert (await ours.logs(by_us))[by_us] == "ra=1\n"


async def test_parameters_longer_than_a_url_are_accepted(theirs: Theirs, ours: SkahaClient) -> None:
    """Parameters travel in the request's body."""
    env = {"LIST": "tile " * 3000}
    assert theirs("create", **SPEC, env=env) == []
    assert len(await ours.create(**SPEC, env=env)) == 1


async def test_what_the_platform_would_reject_or_overwrite_is_rejected_beforehand(
    emulator: Emulator, theirs: Theirs, ours: SkahaClient
) -> None:
    for fields in ({"name": "find_stars"}, {"env": {"REPLICA_ID": "7"}}):
        theirs("create", **SPEC | fields)
        emulator.forget_requests()
        with pytest.raises(SpecError):
            await ours.create(**SPEC | fields)
        assert emulator.requests() == {}


async def test_old_and_new_words_for_a_status_are_the_same(theirs: Theirs, ours: SkahaClient) -> None:
    ids = await some_of_each(ours)
    for old, name in (("Succeeded", "won"), ("Error", "lost")):
        assert theirs("fetch", status=old) == []
        assert [session.id for session in await ours.fetch(status=old)] == [ids[name]]


async def test_unknown_sessions_raise_an_error_with_the_other_results(
    theirs: Theirs, ours: SkahaClient
) -> None:
    ids = [(await some_of_each(ours))["won"], "k3v9x2qa"]
    with pytest.raises(PartialFailure) as failure:
        await ours.info(ids)
    assert list(failure.value.results.values()) == parse(theirs("info", ids))
    with pytest.raises(PartialFailure) as failure:
        await ours.renew(ids)
    assert theirs("renew", ids) == dict.fromkeys(ids, False)
    assert isinstance(failure.value.errors[ids[0]], Rejected)


async def test_a_queued_session_has_an_empty_list_of_events(
    emulator: Emulator, theirs: Theirs, ours: SkahaClient
) -> None:
    emulator.configure(start_delay=60)
    (session_id,) = await ours.create(**SPEC)
    assert theirs("events", session_id) == []
    assert await ours.events(session_id) == {session_id: []}


async def test_nothing_is_printed_instead_of_being_returned(theirs: Theirs, ours: SkahaClient) -> None:
    won = (await some_of_each(ours))["won"]
    for verb in ("logs", "events"):
        assert theirs(verb, won, verbose=True) is None
    assert await ours.logs(won) == {won: "won\n"}


async def test_destroy_checks_whether_the_session_is_gone(
    emulator: Emulator, theirs: Theirs, ours: SkahaClient
) -> None:
    (first, second) = await ours.create(**SPEC, replicas=2)
    emulator.forget_requests()
    assert theirs("destroy", first) == {first: True}
    assert emulator.requests() == {"DELETE /session/{id}": 1}
    assert await ours.destroy(second) == {second: True}
    assert emulator.requests() == {"DELETE /session/{id}": 2, "GET /session/{id}": 1}


async def test_destroy_with_ignores_case_and_rejects_an_empty_prefix(
    emulator: Emulator, theirs: Theirs, ours: SkahaClient
) -> None:
    """The server keeps names in lower case; and every name starts with an empty prefix."""
    emulator.configure(start_delay=60)
    (session_id,) = await ours.create(**SPEC | {"name": "Find-Stars"})
    assert theirs("destroy_with", "Find-Stars", status="Pending") == {}
    assert await ours.destroy_with("Find-Stars", status="Pending") == {session_id: True}
    await ours.create(**SPEC)
    with pytest.raises(SpecError, match="every name matches it"):
        await ours.destroy_with("", status="Pending")
    assert len(emulator.live()) == 1
    assert len(theirs("destroy_with", "", status="Pending")) == 1
    with pytest.raises(TheirError, match="Invalid regex pattern"):
        theirs("destroy_with", "find(")
    with pytest.raises(SpecError, match=r"Invalid prefix 'find\('"):
        await ours.destroy_with("find(")


async def test_a_read_survives_a_transient_fault(
    emulator: Emulator, process: OfficialClient, ours: SkahaClient
) -> None:
    await ours.create(**SPEC)
    emulator.faults(busy={"count": 1, "retry_after": 0})
    with pytest.raises(TheirError, match="503"):
        process.call(emulator, "fetch")
    emulator.faults(busy={"count": 1, "retry_after": 0})
    async with SkahaClient(emulator.url, Token(emulator.token)) as client:
        assert len(await client.fetch()) == 1
