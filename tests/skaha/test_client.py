"""The client's verbs."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qs

import httpx
import pytest

from airflow_provider_canfar.skaha.client import DESTROY_PAUSES, SkahaClient
from airflow_provider_canfar.skaha.command.encoding import Parameters, encode
from airflow_provider_canfar.skaha.credentials import RegistryCredential, Token
from airflow_provider_canfar.skaha.errors import (
    NotFound,
    PartialFailure,
    Rejected,
    ServerError,
    SessionError,
    SpecError,
    Unreachable,
)
from airflow_provider_canfar.skaha.metrics import Metric
from airflow_provider_canfar.skaha.models import SessionSpec, Status
from tests.fake_metrics import SentMetrics

if TYPE_CHECKING:
    from tests.skaha.conftest import Platform, Time

    Sample = Callable[[str], bytes]

OK = httpx.Response(200)
SPEC: dict[str, Any] = {"name": "Stars", "image": "skaha/astroml:24.07"}


def test_every_verb_has_a_test_that_names_it() -> None:
    tests = Path(__file__).read_text()
    verbs = [name for name, _ in inspect.getmembers(SkahaClient) if not name.startswith("_")]
    assert len(verbs) > 15
    assert [verb for verb in verbs if not re.search(rf"client\.{verb}\b", tests)] == []


def gone(session_id: str) -> httpx.Response:
    return httpx.Response(404, text=f"session {session_id} not found\n")


def listed(*sessions: dict[str, Any]) -> httpx.Response:
    return httpx.Response(200, json=sessions)


def session(session_id: str, status: str = "Running", **more: str) -> dict[str, str]:
    return {"id": session_id, "name": f"name-{session_id}", "type": "headless", "status": status} | more


def named(platform: Platform, number: int = -1) -> dict[str, list[str]]:
    """Read the form of a request."""
    return parse_qs(platform.requests[number].content.decode())


def by_name(request: httpx.Request) -> httpx.Response:
    """Create a session with its name in its id."""
    (name,) = parse_qs(request.content.decode())["name"]
    return httpx.Response(200, text=f"id-of-{name}\n")


def test_the_repr_of_a_client_shows_its_url_and_no_secret(client: SkahaClient) -> None:
    assert client.url == "https://skaha.test/skaha/v1"
    assert repr(client) == "SkahaClient('https://skaha.test/skaha/v1', Token(expires_at=None))"


async def test_replace_credential_takes_effect_with_the_next_request(
    platform: Platform, client: SkahaClient
) -> None:
    platform.on("GET", "session", listed())
    await client.fetch()
    client.replace_credential(Token("another-token"))
    await client.fetch()
    assert [request.headers["Authorization"] for request in platform.requests] == [
        "Bearer a-token",
        "Bearer another-token",
    ]


# create


async def test_create_returns_the_id_of_one_session(platform: Platform, client: SkahaClient) -> None:
    platform.on("POST", "session", by_name)
    assert await client.create(**SPEC) == ["id-of-stars"]
    assert named(platform)["type"] == ["headless"]


async def test_create_returns_ids_in_the_replicas_order(platform: Platform, client: SkahaClient) -> None:
    platform.on("POST", "session", by_name)
    ids = await client.create(SessionSpec(**SPEC, replicas=12))
    assert ids == [f"id-of-stars-{replica}" for replica in range(1, 13)]
    assert {"REPLICA_ID=1", "REPLICA_COUNT=12"} <= set(named(platform, 0)["env"])


async def test_create_accepts_all_kinds_and_their_resources(platform: Platform, client: SkahaClient) -> None:
    platform.on("POST", "session", by_name)
    await client.create(**SPEC, kind="notebook", cores=2, ram=8, gpus=1)
    form = named(platform)
    assert (form["type"], form["cores"], form["ram"], form["gpus"]) == (["notebook"], ["2"], ["8"], ["1"])
    assert "env" not in form


async def test_a_partly_failed_create_has_the_ids_and_the_errors(
    platform: Platform, client: SkahaClient
) -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        if b"name=stars-2&" in request.content:
            raise httpx.ReadTimeout("")
        return by_name(request)

    platform.on("POST", "session", respond)
    with pytest.raises(PartialFailure) as failure:
        await client.create(**SPEC, replicas=3)
    assert failure.value.results == {1: "id-of-stars-1", 3: "id-of-stars-3"}
    (error,) = failure.value.errors.values()
    assert isinstance(error, Unreachable)
    assert error.maybe_applied


async def test_create_raises_a_single_replicas_own_error(platform: Platform, client: SkahaClient) -> None:
    platform.on("POST", "session", httpx.Response(400, text="name must have a value\n"))
    with pytest.raises(Rejected, match="name must have a value"):
        await client.create(**SPEC, cores=3)


async def test_create_rejects_an_invalid_spec_before_any_request(
    platform: Platform, client: SkahaClient
) -> None:
    for fields in (SPEC | {"name": "my_stars"}, SPEC | {"gpu": 1}, {}):
        with pytest.raises(SpecError):
            await client.create(**fields)
    with pytest.raises(SpecError, match="cores"):
        await client.create(SessionSpec(**SPEC), cores=2)  # type: ignore[call-overload]  # a spec has its own
    with pytest.raises(SpecError, match="NUL"):
        await client.create(**SPEC, command=["a\0b"], replicas=3)
    assert platform.requests == []


class Encoder:
    """Encodes commands, and counts them."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, **fields: Any) -> Parameters:
        self.count += 1
        return replace(encode(**fields), cmd="injected")


async def test_create_encodes_the_command_once_for_all_replicas(
    platform: Platform, client: SkahaClient
) -> None:
    """A large command takes a tenth of a second, on the event loop."""
    counting = Encoder()

    class CountedSpec(SessionSpec):
        encoder: ClassVar[Callable[..., Parameters]] = counting

    platform.on("POST", "session", by_name)
    await client.create(CountedSpec(**SPEC, command=["echo", "x" * 100_000], replicas=100))
    assert counting.count == 1
    forms = [named(platform, number) for number in range(100)]
    assert {form["cmd"][0] for form in forms} == {"injected"}
    assert len({form["name"][0] for form in forms}) == 100
    assert sorted(int(form["env"][0].removeprefix("REPLICA_ID=")) for form in forms) == [*range(1, 101)]


async def test_create_sends_registry_credentials_in_their_header(
    platform: Platform, client: SkahaClient
) -> None:
    platform.on("POST", "session", by_name)
    await client.create(**SPEC, registry=RegistryCredential("mcurie", "a-secret"))
    assert platform.requests[0].headers["x-skaha-registry-auth"] == "bWN1cmllOmEtc2VjcmV0"


async def test_create_sends_the_clients_registry_credentials_by_default(
    platform: Platform, make_client: Callable[..., SkahaClient]
) -> None:
    platform.on("POST", "session", by_name)
    async with make_client(registry=RegistryCredential("mcurie", "a-secret")) as client:
        await client.create(**SPEC)
        await client.create_replica(SessionSpec(**SPEC), 1)
        await client.create(**SPEC, registry=RegistryCredential("pcurie", "another"))
    assert [request.headers["x-skaha-registry-auth"] for request in platform.requests] == [
        "bWN1cmllOmEtc2VjcmV0",
        "bWN1cmllOmEtc2VjcmV0",
        "cGN1cmllOmFub3RoZXI=",
    ]


async def test_what_the_platform_offers_is_asked_once_for_all_refused_replicas(
    platform: Platform, client: SkahaClient
) -> None:
    platform.on("POST", "session", httpx.Response(400, text="Invalid value for 'ram': 3"))
    platform.on("GET", "context", httpx.Response(200, json={"memoryGB": {"options": [1, 2, 4]}}))
    with pytest.raises(PartialFailure, match="must be one of 1, 2, 4 on this platform"):
        await client.create(**SPEC, ram=3, replicas=4)
    assert len(platform.received("GET", "context")) == 1


async def test_a_refusal_is_raised_also_if_the_platform_does_not_say_what_it_offers(
    platform: Platform, client: SkahaClient
) -> None:
    platform.on("POST", "session", httpx.Response(400, text="Invalid value for 'ram': 3"))
    platform.on("GET", "context", httpx.Response(403, text="not for you"))
    with pytest.raises(Rejected, match=r"Invalid value for 'ram': 3\.$"):
        await client.create(**SPEC, ram=3)


async def test_create_rejects_resources_that_a_known_context_does_not_offer(
    platform: Platform, client: SkahaClient, sample: Sample
) -> None:
    platform.on("GET", "context", httpx.Response(200, content=sample("context_file.json")))
    platform.on("POST", "session", by_name)
    await client.create(**SPEC, cores=3)
    await client.context()
    with pytest.raises(SpecError, match="must be one of 1, 2, 4"):
        await client.create(**SPEC, cores=3)
    await client.create(**SPEC, cores=2)
    assert len(platform.received("POST", "session")) == 2


async def test_create_replica_sends_one_request_with_the_given_name(
    platform: Platform, client: SkahaClient
) -> None:
    platform.on("POST", "session", by_name)
    spec = SessionSpec(**SPEC, replicas=300)
    assert await client.create_replica(spec, 7, name="stars-abc-7-2") == "id-of-stars-abc-7-2"
    assert await client.create_replica(spec, 8) == "id-of-stars-8"
    assert named(platform, 0)["env"] == ["REPLICA_ID=7", "REPLICA_COUNT=300"]


async def test_creates_and_confirmed_destroys_are_counted(
    platform: Platform, make_client: Callable[..., SkahaClient]
) -> None:
    platform.on("POST", "session", by_name)
    platform.on("DELETE", "session/a", OK)
    platform.on("DELETE", "session/b", OK)
    platform.on("GET", "session/a", gone("a"))
    platform.on("GET", "session/b", httpx.Response(200, json=session("b", "Terminating")))
    metrics = SentMetrics()
    async with make_client(metrics=metrics) as client:
        await client.create(**SPEC, replicas=3)
        await client.destroy(["a", "b"])
    assert metrics.total(Metric.SESSIONS_LAUNCHED) == 3
    assert metrics.total(Metric.SESSIONS_DESTROYED) == 1


# fetch


async def test_fetch_lists_sessions(platform: Platform, client: SkahaClient, sample: Sample) -> None:
    body = b"[" + sample("session_pending.json") + b"," + sample("session_notebook.json") + b"]"
    platform.on("GET", "session", httpx.Response(200, content=body))
    assert [one.id for one in await client.fetch()] == ["p8n1e5ld", "n2b6k9oo"]
    assert platform.requests[0].url.query == b""


EVERY_WORD = [
    session("a", "Completed"),
    session("b", "Succeeded"),
    session("c", "Failed"),
    session("d", "Error"),
    session("e", "Failed (BackoffLimitExceeded)"),
    session("f", "Running"),
    session("g", "Frozen"),
]


@pytest.mark.parametrize(
    ("status", "ids"),
    [
        ("Completed", ["a", "b"]),
        ("Succeeded", ["a", "b"]),
        (Status.FAILED, ["c", "d", "e"]),
        ("error", ["c", "d", "e"]),
        ("Unknown", ["g"]),
    ],
)
async def test_fetch_matches_both_spellings_of_a_status(
    platform: Platform, client: SkahaClient, status: str, ids: list[str]
) -> None:
    """The server compares with one word of its own, and would omit the other."""
    platform.on("GET", "session", listed(*EVERY_WORD))
    assert [one.id for one in await client.fetch(status=status)] == ids
    assert platform.requests[0].url.query == b""


async def test_fetch_leaves_to_the_server_what_it_can_filter(platform: Platform, client: SkahaClient) -> None:
    platform.on("GET", "session", listed(*EVERY_WORD))
    sessions = await client.fetch(kind="headless", status="running", view="interactive")
    assert [one.id for one in sessions] == ["f"]
    assert dict(platform.requests[0].url.params) == {
        "type": "headless",
        "status": "Running",
        "view": "interactive",
    }


PODS = [
    session("a", "Completed"),
    session("a", "Running"),
    session("b", "Terminating"),
    session("b", "Pending"),
    session("c", "Terminating"),
]


@pytest.mark.parametrize(
    ("status", "ids"),
    [(None, "abc"), ("Running", "a"), ("Pending", "b"), ("Terminating", "c"), ("Completed", "")],
)
async def test_fetch_lists_each_session_once_and_compares_the_status_that_counts(
    platform: Platform, client: SkahaClient, status: str | None, ids: str
) -> None:
    """The server filters rows, and servers before 1.0.0 had several of one session."""

    def filtered(request: httpx.Request) -> httpx.Response:
        word = request.url.params.get("status")
        return listed(*(row for row in PODS if word in (None, row["status"])))

    platform.on("GET", "session", filtered)
    assert [one.id for one in await client.fetch(status=status)] == [*ids]


async def test_fetch_lists_each_app_of_a_desktop(platform: Platform, client: SkahaClient) -> None:
    """They have their desktop's id."""
    apps = [session("a", type="desktop-app", appid=app) for app in ("abc", "def", "abc")]
    platform.on("GET", "session", listed(*apps, session("a", "Pending", type="desktop")))
    assert [one.app_id for one in await client.fetch(kind="desktop-app")] == ["abc", "def"]
    assert [one.kind for one in await client.fetch()] == ["desktop"]


async def test_poll_passes_the_response_on_unparsed(platform: Platform, client: SkahaClient) -> None:
    """The caller parses only what has changed."""
    platform.on("GET", "session", listed(*EVERY_WORD))
    body = await client.poll(lambda response: response.body, status="Completed")
    assert json.loads(body) == list(EVERY_WORD)
    assert dict(platform.requests[0].url.params) == {"status": "Completed"}


async def test_fetch_of_all_users_sessions_has_no_ids(platform: Platform, client: SkahaClient) -> None:
    theirs = {
        "userid": "pcurie",
        "type": "notebook",
        "status": "Running",
        "startTime": "2026-02-11T07:30:05Z",
    }
    platform.on("GET", "session", listed(theirs))
    (one,) = await client.fetch(view="all", kind="notebook")
    assert (one.id, one.userid, one.status) == ("", "pcurie", Status.RUNNING)


@pytest.mark.parametrize(
    ("filters", "message"),
    [({"kind": "notebok"}, "notebook"), ({"status": "Done"}, "Completed"), ({"view": "stats"}, r"stats\(\)")],
)
async def test_fetch_rejects_an_invalid_filter(
    client: SkahaClient, filters: dict[str, str], message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        await client.fetch(**filters)


# info


async def test_info_of_one_and_of_many_is_a_dict_by_id(platform: Platform, client: SkahaClient) -> None:
    for session_id in "ab":
        platform.on("GET", f"session/{session_id}", httpx.Response(200, json=session(session_id)))
    assert list(await client.info("a")) == ["a"]
    both = await client.info(["b", "a", "b"])
    assert [one.name for one in both.values()] == ["name-b", "name-a"]
    assert await client.info([]) == {}
    assert len(platform.requests) == 3


async def test_info_of_an_unknown_session_says_so(platform: Platform, client: SkahaClient) -> None:
    platform.on("GET", "session/a", gone("a"))
    platform.on("GET", "session/b", httpx.Response(200, json=session("b")))
    with pytest.raises(NotFound, match="session a not found"):
        await client.info("a")
    with pytest.raises(PartialFailure) as failure:
        await client.info(["a", "b"])
    assert list(failure.value.results) == ["b"]
    assert isinstance(failure.value.errors["a"], NotFound)


async def test_info_of_an_invalid_id_sends_no_request(platform: Platform, client: SkahaClient) -> None:
    for ids in ("", ["k3v9x2qa", "../context"]):
        with pytest.raises(SpecError, match="Invalid session id"):
            await client.info(ids)
    assert platform.requests == []


# events and logs


async def test_events_are_parsed_and_events_text_is_as_printed(
    platform: Platform, client: SkahaClient, sample: Sample
) -> None:
    platform.on("GET", "session/a", httpx.Response(200, content=sample("events.txt")))
    events = (await client.events("a"))["a"]
    assert [event.reason for event in events] == ["FailedScheduling", "Scheduled", "Pulling", "Started"]
    assert await client.events_text(["a"]) == {"a": sample("events.txt").decode()}
    assert dict(platform.requests[0].url.params) == {"view": "events"}


async def test_events_of_a_session_that_is_not_scheduled_yet_are_none(
    platform: Platform, client: SkahaClient
) -> None:
    """The server responds 404 for the events until there is a pod, and for the session if there is none."""

    def respond(request: httpx.Request) -> httpx.Response:
        return gone("a") if request.url.query else httpx.Response(200, json=session("a", "Pending"))

    platform.on("GET", "session/a", respond)
    assert await client.events("a") == {"a": []}


async def test_events_of_an_unknown_session_are_an_error(platform: Platform, client: SkahaClient) -> None:
    platform.on("GET", "session/a", gone("a"))
    with pytest.raises(NotFound):
        await client.events("a")


async def test_logs_are_text_whatever_a_program_wrote(platform: Platform, client: SkahaClient) -> None:
    platform.on("GET", "session/a", httpx.Response(200, content="7 Sterne für \xff\n".encode("latin-1")))
    platform.on("GET", "session/b", OK)
    assert await client.logs(["a", "b"]) == {"a": "7 Sterne f\ufffdr \ufffd\n", "b": ""}
    assert dict(platform.requests[0].url.params) == {"view": "logs"}


async def test_a_proxys_page_is_not_a_log(
    platform: Platform, make_client: Callable[..., SkahaClient]
) -> None:
    platform.on("GET", "session/a", httpx.Response(200, html="<h1>Sign in</h1>"))
    async with make_client(retry_for=0) as client:
        with pytest.raises(ServerError, match="Sign in"):
            await client.logs("a")
        with pytest.raises(ServerError, match="Sign in"):
            _ = [chunk async for chunk in client.stream_logs("a")]


class Chunked(httpx.AsyncByteStream):
    """A body that arrives in chunks, and may end in an error."""

    def __init__(self, *chunks: bytes | Exception) -> None:
        self._chunks = chunks

    async def __aiter__(self):  # type: ignore[no-untyped-def]  # A plain method in the base class.
        for chunk in self._chunks:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk


async def test_stream_logs_yields_whole_characters(platform: Platform, client: SkahaClient) -> None:
    star = "★".encode()
    platform.on(
        "GET",
        "session/a",
        httpx.Response(500),
        lambda _: httpx.Response(200, stream=Chunked(b"a " + star[:1], star[1:], b" b", star[:2])),
    )
    chunks = [chunk async for chunk in client.stream_logs("a")]
    assert chunks == ["a ", "★", " b", "\ufffd"]


async def test_stream_logs_of_a_session_without_a_log_is_empty_like_logs(
    platform: Platform, client: SkahaClient
) -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        return gone("a") if request.url.query else httpx.Response(200, json=session("a", "Pending"))

    platform.on("GET", "session/a", respond)
    assert await client.logs("a") == {"a": ""}
    assert [chunk async for chunk in client.stream_logs("a")] == []
    platform.on("GET", "session/a", gone("a"))
    with pytest.raises(NotFound):
        _ = [chunk async for chunk in client.stream_logs("a")]


async def test_an_interrupted_stream_of_logs_raises_and_repeats_nothing(
    platform: Platform, client: SkahaClient
) -> None:
    broken = Chunked(b"one\n", httpx.ReadError("Connection reset by peer"))
    platform.on("GET", "session/a", lambda _: httpx.Response(200, stream=broken))
    stream = client.stream_logs("a")
    assert await anext(stream) == "one\n"
    with pytest.raises(Unreachable, match="reset by peer"):
        await anext(stream)
    assert len(platform.requests) == 1


# renew


async def test_renew_restarts_the_lifetime(platform: Platform, client: SkahaClient) -> None:
    platform.on("POST", "session/a", httpx.Response(500, text="unexpected exception: x"), OK)
    assert await client.renew("a") == {"a": True}
    assert named(platform) == {"action": ["renew"]}


async def test_renew_of_a_session_that_is_not_running_is_rejected(
    platform: Platform, client: SkahaClient
) -> None:
    sentence = "No active job for user mcurie with session a"
    platform.on("POST", "session/a", httpx.Response(400, text=f"{sentence}\n"))
    with pytest.raises(Rejected, match=sentence):
        await client.renew("a")


# destroy


async def test_destroy_is_true_if_the_session_is_gone(
    platform: Platform, client: SkahaClient, time: Time
) -> None:
    platform.on("DELETE", "session/a", OK)
    platform.on("GET", "session/a", gone("a"))
    assert await client.destroy("a") == {"a": True}
    assert time.slept == []


async def test_destroy_checks_until_the_session_is_gone(
    platform: Platform, client: SkahaClient, time: Time
) -> None:
    there = httpx.Response(200, json=session("a", "Terminating"))
    platform.on("DELETE", "session/a", OK)
    platform.on("GET", "session/a", there, there, gone("a"))
    assert await client.destroy("a") == {"a": True}
    assert len(platform.received("DELETE", "session/a")) == 1
    assert len(time.slept) == 2


async def test_destroy_is_false_if_the_session_stays(
    platform: Platform, client: SkahaClient, time: Time
) -> None:
    """A DELETE responds 200 whatever happens."""
    platform.on("DELETE", "session/a", OK)
    platform.on("GET", "session/a", httpx.Response(200, json=session("a")))
    assert await client.destroy("a") == {"a": False}
    assert time.slept == [pause for pause in DESTROY_PAUSES if pause]


async def test_destroy_accepts_an_old_servers_404_as_gone(platform: Platform, client: SkahaClient) -> None:
    platform.on("DELETE", "session/a", httpx.Response(404, text="a"))
    assert await client.destroy("a") == {"a": True}


async def test_destroy_does_not_mistake_a_proxys_404_for_gone(
    platform: Platform, make_client: Callable[..., SkahaClient]
) -> None:
    platform.on("DELETE", "session/a", OK)
    platform.on("GET", "session/a", httpx.Response(404, text="404 page not found\n"))
    async with make_client(retry_for=0) as client:
        with pytest.raises(ServerError) as raised:
            await client.destroy("a")
    assert raised.value.__notes__ == ["Session a: delete was requested but not confirmed."]


async def test_destroy_survives_an_outage(platform: Platform, client: SkahaClient) -> None:
    platform.on("DELETE", "session/a", httpx.ConnectError("refused"), httpx.Response(503), OK)
    platform.on("GET", "session/a", httpx.Response(500), gone("a"))
    assert await client.destroy("a") == {"a": True}


async def test_destroy_of_many_reports_each(platform: Platform, client: SkahaClient) -> None:
    platform.on("DELETE", "session/a", OK)
    platform.on("GET", "session/a", gone("a"))
    platform.on("DELETE", "session/b", httpx.Response(403, text="forbidden\n"))
    with pytest.raises(PartialFailure) as failure:
        await client.destroy(["a", "b"])
    assert failure.value.results == {"a": True}
    assert isinstance(failure.value.errors["b"], Rejected)


@pytest.mark.parametrize(
    ("prefix", "ids"),
    [
        ("tiles", ["a", "b"]),
        ("Tiles-", ["a", "b"]),
        ("iles", []),
        ("iles.*2$", ["b"]),
        (r"^TILES-\d", ["a", "b"]),
        (r"\S+-2$", ["b", "c"]),
    ],
)
async def test_destroy_with_matches_a_prefix_or_searches_a_regular_expression(
    platform: Platform, client: SkahaClient, prefix: str, ids: list[str]
) -> None:
    """The server keeps names in lower case, so case does not matter; but backslash-S stays what it is."""
    names = {"a": "tiles-1", "b": "tiles-2", "c": "other-2"}
    platform.on(
        "GET", "session", listed(*(session(id_, "Completed", name=name) for id_, name in names.items()))
    )
    for session_id in names:
        platform.on("DELETE", f"session/{session_id}", OK)
        platform.on("GET", f"session/{session_id}", gone(session_id))
    assert await client.destroy_with(prefix) == dict.fromkeys(ids, True)


async def test_destroy_with_goes_on_where_a_row_or_a_delete_is_odd(
    platform: Platform, client: SkahaClient
) -> None:
    rows = [session("a", "Completed"), session("b", "Completed"), {**session("c"), "id": None}, None]
    rows.append(
        {"id": "d", "name": 7, "type": "headless", "status": "Completed", "isFixedResources": "<none>"}
    )
    platform.on("GET", "session", httpx.Response(200, json=rows))
    platform.on("DELETE", "session/a", httpx.Response(403, text="forbidden\n"))
    platform.on("DELETE", "session/b", OK)
    platform.on("GET", "session/b", gone("b"))
    with pytest.raises(PartialFailure) as failure:
        await client.destroy_with("name-")
    assert failure.value.results == {"b": True}
    assert [*failure.value.errors] == ["a"]


async def test_destroy_with_leaves_other_kinds_and_statuses_alone(
    platform: Platform, client: SkahaClient
) -> None:
    platform.on(
        "GET",
        "session",
        listed(
            session("a", "Succeeded"), session("b", "Running"), session("c", "Completed", type="notebook")
        ),
    )
    platform.on("DELETE", "session/a", OK)
    platform.on("GET", "session/a", gone("a"))
    assert await client.destroy_with("name") == {"a": True}


@pytest.mark.parametrize("prefix", ["", "tiles-(", "*"])
async def test_destroy_with_rejects_an_empty_or_invalid_prefix(
    platform: Platform, client: SkahaClient, prefix: str
) -> None:
    with pytest.raises(SpecError, match="Invalid prefix"):
        await client.destroy_with(prefix)
    assert platform.requests == []


# The platform itself.


async def test_stats_context_images_and_repositories_are_parsed(
    platform: Platform, client: SkahaClient, sample: Sample
) -> None:
    platform.on("GET", "session", httpx.Response(200, content=sample("stats.json")))
    platform.on("GET", "context", httpx.Response(200, content=sample("context_file.json")))
    platform.on("GET", "image", httpx.Response(200, content=sample("images.json")))
    platform.on("GET", "repository", httpx.Response(200, content=sample("repositories.json")))
    assert (await client.stats()).available.cores == 1800
    assert (await client.context()).max_interactive_sessions == 5
    assert [image.id for image in await client.images()] == [
        "images.canfar.net/skaha/astroml:24.07",
        "images.canfar.net/skaha/carta:4.1",
    ]
    await client.images(kind="carta")
    assert await client.repositories() == ["images.canfar.net"]
    assert [request.url.query for request in platform.requests] == [
        b"view=stats",
        b"",
        b"",
        b"type=carta",
        b"",
    ]


async def test_connect_url_is_where_a_browser_opens_a_running_session(
    platform: Platform, client: SkahaClient, sample: Sample
) -> None:
    platform.on("GET", "session/n2b6k9oo", httpx.Response(200, content=sample("session_notebook.json")))
    assert (await client.connect_url("n2b6k9oo")).startswith("https://ws-uv.canfar.net/session/notebook/")


async def test_connect_url_takes_what_create_returns(
    platform: Platform, client: SkahaClient, sample: Sample
) -> None:
    notebook = json.loads(sample("session_notebook.json"))
    for session_id in ("a", "b"):
        url = f"https://skaha.test/session/notebook/{session_id}"
        row = {**notebook, "id": session_id, "connectURL": url}
        platform.on("GET", f"session/{session_id}", httpx.Response(200, json=row))
    assert await client.connect_url(["a"]) == {"a": "https://skaha.test/session/notebook/a"}
    assert [*await client.connect_url(["b", "a"])] == ["b", "a"]


async def test_connect_url_of_several_names_each_that_has_none(
    platform: Platform, client: SkahaClient
) -> None:
    platform.on("GET", "session/a", httpx.Response(200, json=session("a", type="headless")))
    platform.on("GET", "session/b", httpx.Response(200, json=session("b", "Pending", type="notebook")))
    with pytest.raises(PartialFailure) as failure:
        await client.connect_url(["a", "b"])
    assert {key: type(error) for key, error in failure.value.errors.items()} == {
        "a": SpecError,
        "b": SessionError,
    }


async def test_a_session_stands_wherever_an_id_does(platform: Platform, client: SkahaClient) -> None:
    row = session("a", type="notebook", connectURL="https://skaha.test/session/notebook/a")
    platform.on("GET", "session", listed(row))
    platform.on("GET", "session/a", httpx.Response(200, json=row))
    (one,) = await client.fetch()
    assert await client.connect_url(one) == "https://skaha.test/session/notebook/a"
    assert [*await client.info(one)] == [*await client.info([one, "a"])] == ["a"]
    assert [*await client.logs([one])] == [*await client.events(one)] == ["a"]
    assert [chunk async for chunk in client.stream_logs(one)]


@pytest.mark.parametrize(
    ("given", "words"), [(None, "None"), (7, "of type int"), ([None], "None"), (["a", {}], "of type dict")]
)
async def test_what_is_no_id_is_rejected_with_what_is(client: SkahaClient, given: Any, words: str) -> None:
    for verb in (client.info, client.logs, client.destroy, client.connect_url):
        with pytest.raises(SpecError, match=rf"Invalid session id {words}: must be one word.*create\(\)"):
            await verb(given)


async def test_connect_url_of_a_pending_session_says_that_it_is_pending(
    platform: Platform, client: SkahaClient
) -> None:
    platform.on("GET", "session/a", httpx.Response(200, json=session("a", "Pending", type="notebook")))
    with pytest.raises(SessionError, match="it is Pending") as error:
        await client.connect_url("a")
    assert (error.value.session_id, error.value.name, error.value.status) == ("a", "name-a", "Pending")
    assert error.value.retryable


async def test_connect_url_of_a_headless_session_is_rejected(platform: Platform, client: SkahaClient) -> None:
    platform.on("GET", "session/a", httpx.Response(200, json=session("a")))
    with pytest.raises(SpecError, match="See its logs"):
        await client.connect_url("a")


async def test_whoami_is_the_servers_own_header(platform: Platform, client: SkahaClient) -> None:
    platform.on("GET", "session", httpx.Response(200, json=[], headers={"X-VO-Authenticated": "mcurie"}))
    assert await client.whoami() == "mcurie"


async def test_whoami_of_anything_but_a_platform_is_an_error(
    platform: Platform, make_client: Callable[..., SkahaClient]
) -> None:
    platform.on("GET", "session", httpx.Response(200, json=[]))
    async with make_client(retry_for=0) as client:
        with pytest.raises(ServerError, match="Is it a Science Platform"):
            await client.whoami()
