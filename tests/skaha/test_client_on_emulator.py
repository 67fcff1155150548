"""Each verb of the client on the emulator, compared with the emulator's own record."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from airflow_provider_canfar.skaha.client import SkahaClient
from airflow_provider_canfar.skaha.credentials import RegistryCredential, Token
from airflow_provider_canfar.skaha.errors import NotFound, PartialFailure, Rejected, SessionError, SpecError
from airflow_provider_canfar.skaha.models import Kind, SessionSpec, Status
from airflow_provider_canfar.testing import Emulator, running_emulator

IMAGE = "images.canfar.net/skaha/astroml:24.07"
SPEC: dict[str, Any] = {"name": "Stars", "image": IMAGE}

#: Seconds after which a test stops waiting.
PATIENCE = 30.0


@pytest.fixture(name="emulator")
def _emulator() -> Iterator[Emulator]:
    with running_emulator(start_delay=0.0, flicker=0.0) as emulator:
        yield emulator


@pytest.fixture(name="client")
async def _client(emulator: Emulator) -> AsyncIterator[SkahaClient]:
    async with SkahaClient(emulator.url, Token(emulator.token)) as client:
        yield client


async def until(client: SkahaClient, session_id: str, status: Status) -> None:
    """Wait until a session has a status."""
    last = time.monotonic() + PATIENCE
    while (session := (await client.info(session_id))[session_id]).status is not status:
        assert time.monotonic() < last, f"it is {session.status_word} and not {status}"
        await asyncio.sleep(0.02)


async def ended(client: SkahaClient, session_id: str) -> str:
    """Wait until a session has succeeded, and return its log."""
    await until(client, session_id, Status.COMPLETED)
    return (await client.logs(session_id))[session_id]


def record(emulator: Emulator, session_id: str) -> dict[str, Any]:
    return next(session for session in emulator.all_sessions() if session["id"] == session_id)


# create


@pytest.mark.parametrize(
    ("fields", "recorded"),
    [
        ({}, {"kind": "headless", "cores": None, "ram": None, "gpus": 0, "image": IMAGE, "name": "stars"}),
        ({"cores": 2, "ram": 8, "gpus": 1}, {"cores": 2.0, "ram": 8.0, "gpus": 1}),
        ({"cores": 2.5, "ram": 4.0}, {"cores": 2.5, "ram": 4.0}),
        ({"ram": 16}, {"cores": None, "ram": 16.0}),
        ({"image": "skaha/astroml"}, {"image": "images.canfar.net/skaha/astroml:latest"}),
        ({"kind": "notebook", "cores": 4, "ram": 16}, {"kind": "notebook", "cores": 4.0, "ram": 16.0}),
        *(({"kind": kind}, {"kind": kind.value, "replica_id": None}) for kind in Kind if kind != "headless"),
    ],
)
async def test_create_makes_the_requested_session(
    emulator: Emulator, client: SkahaClient, fields: dict[str, Any], recorded: dict[str, Any]
) -> None:
    ids = await client.create(**(SPEC | fields))
    (made,) = emulator.all_sessions()
    assert ids == [made["id"]]
    assert {field: made[field] for field in recorded} == recorded


async def test_create_carries_any_command_and_environment(client: SkahaClient) -> None:
    words = ["a b", "", "$HOME", 'say "hi"', "back\\slash", "n", "two\nlines", "M13 ☄ é"]
    value = 'a=b "c" $d\\e\n'
    script = "import os, sys; print([sys.argv[1:], os.environ['VALUE'], os.environ['N']])"
    (session_id,) = await client.create(
        **SPEC, command=["python3", "-c", script, *words], env={"VALUE": value, "N": 1}
    )
    assert await ended(client, session_id) == f"{[words, value, '1']}\n"


async def test_create_splits_args_as_a_shell_would(client: SkahaClient) -> None:
    (session_id,) = await client.create(**SPEC, cmd="printf", args="'%s;' 'Hello, World!' again")
    assert await ended(client, session_id) == "Hello, World!;again;"


async def test_create_returns_the_ids_of_replicas_in_their_order(
    emulator: Emulator, client: SkahaClient
) -> None:
    ids = await client.create(SessionSpec(**SPEC, replicas=12, command=["true"]))
    made = [record(emulator, session_id) for session_id in ids]
    assert [one["replica_id"] for one in made] == [str(replica) for replica in range(1, 13)]
    assert [one["name"] for one in made] == [f"stars-{replica}" for replica in range(1, 13)]
    assert {one["replica_count"] for one in made} == {"12"}
    assert len(emulator.all_sessions()) == 12


async def test_create_replica_makes_one_of_them_with_the_given_name(
    emulator: Emulator, client: SkahaClient
) -> None:
    session_id = await client.create_replica(SessionSpec(**SPEC, replicas=12), 7, name="stars-k3v5-0-7-2")
    (made,) = emulator.all_sessions()
    assert (made["id"], made["name"]) == (session_id, "stars-k3v5-0-7-2")
    assert (made["replica_id"], made["replica_count"]) == ("7", "12")


async def test_create_accepts_an_unknown_image_only_with_registry_credentials(
    emulator: Emulator, client: SkahaClient
) -> None:
    private: dict[str, Any] = {"name": "stars", "image": "images.canfar.net/private/stars:1"}
    with pytest.raises(Rejected, match=r"'images.canfar.net/private/stars:1'.* unknown or private image"):
        await client.create(**private)
    assert emulator.all_sessions() == []
    await client.create(**private, registry=RegistryCredential("mcurie", "a-secret"))
    assert [one["image"] for one in emulator.all_sessions()] == [private["image"]]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"image": "docker.io/library/python:3"}, "must come from one of [images.canfar.net]"),
        ({"cores": 3.5, "ram": 7}, "Invalid value for 'ram': 7. Invalid ram 7: must be one of 1, 2, 4"),
        ({"gpus": 29}, "Invalid value for 'gpus': 29. Invalid gpus 29: "),
    ],
)
async def test_create_raises_the_platforms_own_sentence_and_what_there_is(
    emulator: Emulator, client: SkahaClient, fields: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(Rejected) as refusal:
        await client.create(**(SPEC | fields))
    assert sentence in str(refusal.value)
    assert not refusal.value.maybe_applied
    assert emulator.all_sessions() == []


async def test_create_raises_the_limit_of_interactive_sessions(
    emulator: Emulator, client: SkahaClient
) -> None:
    emulator.configure(max_interactive=1)
    await client.create(**SPEC, kind="notebook")
    with pytest.raises(Rejected, match="has reached the maximum of 1 active sessions"):
        await client.create(**SPEC, kind="carta")
    assert len(emulator.all_sessions()) == 1


# fetch, info


async def test_fetch_filters_by_kind_status_and_view(client: SkahaClient) -> None:
    async def ids(**filters: str) -> set[str]:
        return {session.id for session in await client.fetch(**filters)}

    (won,) = await client.create(**SPEC, command=["true"])
    (lost,) = await client.create(**SPEC, command=["false"])
    (runs,) = await client.create(**SPEC, command=["sleep", "60"])
    (notebook,) = await client.create(**SPEC, kind="notebook")
    (app,) = await client.create(**SPEC, kind="desktop-app")
    for session_id, status in ((won, Status.COMPLETED), (lost, Status.FAILED), (runs, Status.RUNNING)):
        await until(client, session_id, status)
    await until(client, notebook, Status.RUNNING)
    await until(client, app, Status.RUNNING)
    assert await ids() == {won, lost, runs, notebook}
    assert await ids(kind="headless") == {won, lost, runs}
    assert await ids(kind="desktop-app") == {app}
    assert await ids(status="Completed") == await ids(status="Succeeded") == {won}
    assert await ids(status="Failed") == await ids(status="Error") == {lost}
    assert await ids(status="Running", kind="headless") == {runs}
    assert await ids(view="interactive") == {notebook}
    everybodys = await client.fetch(view="all", status="Running")
    assert [(session.id, session.kind) for session in everybodys] == [("", "headless"), ("", "notebook")]


async def test_info_returns_the_platforms_view_of_one_or_many(client: SkahaClient) -> None:
    (fixed,) = await client.create(**SPEC, cores=2, ram=8, command=["sleep", "60"])
    (flexible,) = await client.create(**SPEC, kind="notebook")
    await until(client, fixed, Status.RUNNING)
    sessions = await client.info([fixed, flexible])
    assert list(sessions) == [fixed, flexible]
    assert (sessions[fixed].requested_cores, sessions[fixed].requested_ram) == (2.0, 8.59)
    assert (sessions[fixed].fixed, sessions[flexible].fixed) == (True, False)
    assert sessions[flexible].requested_ram is None
    assert sessions[fixed].userid == "astronomer"
    begun, ends = sessions[fixed].start_time, sessions[fixed].expiry_time
    assert begun is not None
    assert ends is not None
    assert (ends - begun).days == 14


async def test_info_of_an_unknown_session_keeps_the_others(emulator: Emulator, client: SkahaClient) -> None:
    (known,) = await client.create(**SPEC)
    with pytest.raises(NotFound, match="session k3v9x2qa not found"):
        await client.info("k3v9x2qa")
    with pytest.raises(PartialFailure) as failure:
        await client.info([known, "k3v9x2qa"])
    assert list(failure.value.results) == [known]
    assert isinstance(failure.value.errors["k3v9x2qa"], NotFound)
    emulator.vanish(known)
    with pytest.raises(NotFound):
        await client.info(known)


async def test_a_preempted_session_is_pending_again_without_start_or_events(
    emulator: Emulator, client: SkahaClient
) -> None:
    (session_id,) = await client.create(**SPEC, command=["sleep", "60"])
    await until(client, session_id, Status.RUNNING)
    emulator.configure(start_delay=60)
    emulator.preempt(session_id)
    await until(client, session_id, Status.PENDING)
    session = (await client.info(session_id))[session_id]
    assert session.start_time is None
    assert await client.events(session_id) == {session_id: []}


# events, logs


async def test_events_are_empty_in_the_queue_and_show_the_start_afterwards(
    emulator: Emulator, client: SkahaClient
) -> None:
    emulator.configure(start_delay=60)
    (queues,) = await client.create(**SPEC)
    assert await client.events(queues) == {queues: []}
    assert await client.events_text(queues) == {queues: ""}
    emulator.configure(start_delay=0)
    (runs,) = await client.create(**SPEC, command=["sleep", "60"])
    await until(client, runs, Status.RUNNING)
    (events,) = (await client.events([runs])).values()
    assert [event.reason for event in events] == ["Scheduled", "Pulling", "Pulled", "Created", "Started"]
    assert str(events[1]) == f'Normal Pulling: Pulling image "{IMAGE}"'
    assert events[0].first_time is None
    assert events[1].first_time is not None
    assert (await client.events_text(runs))[runs].startswith("TYPE ")


async def test_events_say_that_an_image_cannot_be_pulled(emulator: Emulator, client: SkahaClient) -> None:
    emulator.faults(pull={})
    (session_id,) = await client.create(**SPEC)
    last = time.monotonic() + PATIENCE
    while not (events := (await client.events(session_id))[session_id]):
        assert time.monotonic() < last
        await asyncio.sleep(0.02)
    assert "Warning Failed: Error: ErrImagePull" in [str(event) for event in events]
    assert (await client.info(session_id))[session_id].status is Status.PENDING


async def test_events_of_an_unknown_session_are_an_error_and_its_log_is_empty(client: SkahaClient) -> None:
    with pytest.raises(NotFound):
        await client.events("k3v9x2qa")
    assert await client.logs("k3v9x2qa") == {"k3v9x2qa": ""}


async def test_logs_have_both_streams_and_whatever_bytes_a_program_wrote(client: SkahaClient) -> None:
    script = r"echo out; echo err >&2; printf 'caf\351 \360\237\214\240'"
    (session_id,) = await client.create(**SPEC, command=["sh", "-c", script])
    assert await ended(client, session_id) == "out\nerr\ncaf� 🌠"


async def test_stream_logs_yields_a_large_log_piece_by_piece(client: SkahaClient) -> None:
    script = "for i in range(40_000): print(f'{i} ☄☄☄')"
    (session_id,) = await client.create(**SPEC, command=["python3", "-c", script])
    whole = await ended(client, session_id)
    assert whole.count("\n") == 40_000
    chunks = [chunk async for chunk in client.stream_logs(session_id)]
    assert len(chunks) > 1
    assert "".join(chunks) == whole


# renew, destroy, destroy_with


async def test_renew_extends_a_running_session(emulator: Emulator, client: SkahaClient) -> None:
    emulator.configure(interactive_deadline=3600)
    (session_id,) = await client.create(**SPEC, kind="notebook")
    await until(client, session_id, Status.RUNNING)
    before = (await client.info(session_id))[session_id].expiry_time
    emulator.configure(interactive_deadline=7200)
    assert await client.renew(session_id) == {session_id: True}
    after = (await client.info(session_id))[session_id].expiry_time
    assert before is not None
    assert after is not None
    assert (after - before).total_seconds() > 3000


async def test_renew_of_an_ended_session_is_rejected(client: SkahaClient) -> None:
    (session_id,) = await client.create(**SPEC, command=["true"])
    await ended(client, session_id)
    with pytest.raises(Rejected, match="No active job for user astronomer"):
        await client.renew(session_id)


async def test_destroy_ends_running_sessions_and_is_true_for_gone_ones(
    emulator: Emulator, client: SkahaClient
) -> None:
    ids = await client.create(**SPEC, replicas=3, command=["sleep", "60"])
    assert await client.destroy([*ids, "k3v9x2qa"]) == dict.fromkeys([*ids, "k3v9x2qa"], True)
    assert emulator.live() == []
    assert all(one["deleted"] for one in emulator.all_sessions())
    assert await client.fetch() == []


@pytest.mark.parametrize(
    ("prefix", "filters", "names"),
    [
        ("Find-Stars", {}, {"find-stars-won"}),
        ("find", {"status": "Failed"}, {"find-galaxies-lost"}),
        ("stars", {}, set()),
        ("stars-w.n$", {}, {"find-stars-won"}),
        ("find", {"kind": "notebook", "status": "Running"}, {"find-nothing"}),
    ],
)
async def test_destroy_with_destroys_only_matching_sessions(
    emulator: Emulator, client: SkahaClient, prefix: str, filters: dict[str, str], names: set[str]
) -> None:
    spec: dict[str, Any] = {"image": IMAGE}
    (won,) = await client.create(**spec, name="find-stars-won", command=["true"])
    (lost,) = await client.create(**spec, name="find-galaxies-lost", command=["false"])
    (notebook,) = await client.create(**spec, name="find-nothing", kind="notebook")
    for session_id, status in ((won, Status.COMPLETED), (lost, Status.FAILED), (notebook, Status.RUNNING)):
        await until(client, session_id, status)
    destroyed = await client.destroy_with(prefix, **filters)
    assert {one["name"] for one in emulator.all_sessions() if one["deleted"]} == names
    assert destroyed == {one["id"]: True for one in emulator.all_sessions() if one["deleted"]}


# the rest


async def test_stats_count_running_sessions(client: SkahaClient) -> None:
    before = await client.stats()
    (session_id,) = await client.create(**SPEC, cores=4, ram=16, command=["sleep", "60"])
    await until(client, session_id, Status.RUNNING)
    after = await client.stats()
    assert (before.requested.cores, after.requested.cores) == (0.0, 4.0)
    assert (before.requested.ram, after.requested.ram) == (0.0, 16.0)
    assert (after.free.cores, after.most_cores.ram) == (2185.0, 192.0)


async def test_context_images_and_repositories_match_the_platform(client: SkahaClient) -> None:
    context = await client.context()
    assert context.ram.allow(192)
    assert not context.gpus.allow(0)
    assert context.max_interactive_sessions == 5
    images = {image.id: image for image in await client.images()}
    assert images[IMAGE].types == ("headless", "notebook")
    assert [image.id for image in await client.images("carta")] == ["images.canfar.net/skaha/carta:4.0"]
    assert await client.repositories() == ["images.canfar.net"]


async def test_connect_url_requires_a_running_interactive_session(
    emulator: Emulator, client: SkahaClient
) -> None:
    emulator.configure(start_delay=60)
    (queues,) = await client.create(**SPEC, kind="notebook")
    with pytest.raises(SessionError, match="it is Pending"):
        await client.connect_url(queues)
    emulator.configure(start_delay=0)
    (runs,) = await client.create(**SPEC, kind="carta")
    await until(client, runs, Status.RUNNING)
    assert (await client.connect_url(runs)).endswith(f"/session/carta/{runs}/")
    (headless,) = await client.create(**SPEC)
    with pytest.raises(SpecError, match="a headless session has no page"):
        await client.connect_url(headless)


async def test_whoami_is_the_user_of_the_token(client: SkahaClient) -> None:
    assert await client.whoami() == "astronomer"
