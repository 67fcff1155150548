"""The API: what each call answers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.emulator.conftest import Caller


def test_a_create_answers_with_an_id_and_a_line_feed(shared_caller: Caller) -> None:
    response = shared_caller.post()
    assert re.fullmatch(r"[a-z][a-z0-9]{7}\n", response.text)
    assert response.headers["content-type"] == "text/plain"
    assert response.headers["x-vo-authenticated"] == "astronomer"


def test_a_session_is_shown_without_what_is_null(make_caller: Callable[..., Caller]) -> None:
    """No times while it has no pod, no resources when they are flexible, no usage when it does not run."""
    caller = make_caller(start_delay=60)
    session = caller.create(name="Hello-World")
    response = caller.http.get(f"/session/{session}")
    assert response.headers["content-type"] == "application/json"
    assert response.text.startswith('{\n  "id": ')
    assert response.json() == {
        "id": session,
        "userid": "astronomer",
        "runAsUID": "10001",
        "runAsGID": "10001",
        "supplementalGroups": [30123],
        "image": "images.canfar.net/skaha/astroml:24.07",
        "type": "headless",
        "status": "Pending",
        "name": "hello-world",
        "connectURL": "",
        "requestedGPUCores": "0",
        "isFixedResources": False,
    }


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        (
            {"cores": 2, "ram": 8},
            {"requestedCPUCores": "2", "requestedRAM": "8.59", "isFixedResources": True},
        ),
        ({"cores": 2.5, "ram": 4, "gpus": 1}, {"requestedCPUCores": "2.500", "requestedGPUCores": "1"}),
        ({"ram": 1}, {"requestedCPUCores": "1", "requestedRAM": "1.07", "isFixedResources": True}),
        ({"cores": 2}, {"isFixedResources": False}),
    ],
)
def test_fixed_resources_are_shown_in_the_platforms_units(
    shared_caller: Caller, asked: dict[str, Any], shown: dict[str, Any]
) -> None:
    session = shared_caller.session(shared_caller.create(**asked))
    assert shown.items() <= session.items()
    assert ("requestedRAM" in session) == session["isFixedResources"]


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("notebook", "notebook/{id}/lab/tree/arc/home/astronomer?token={id}"),
        ("desktop", "desktop/{id}/?password={id}&path=session/desktop/{id}/"),
        ("carta", "carta/{id}/"),
        ("contributed", "contrib/{id}/"),
        ("firefly", "firefly/{id}/firefly/"),
    ],
)
def test_an_interactive_session_runs_until_it_is_deleted_and_has_a_url(
    caller: Caller, kind: str, path: str
) -> None:
    session = caller.create(type=kind.upper(), cmd='ignored "', args="$ignored", env="IGNORED=1")
    shown = caller.until_status(session, "Running")
    root = caller.emulator.url.removesuffix("/skaha/v1")
    assert shown["connectURL"] == f"{root}/session/{path.format(id=session)}"
    assert shown["type"] == kind
    assert caller.view(session, "logs") == ""
    assert caller.record(session)["environment"] == {}


def test_lists_are_filtered_by_whole_words_in_any_case(caller: Caller) -> None:
    done, notebook, app = (
        caller.create(**form) for form in ({}, {"type": "notebook"}, {"type": "desktop-app"})
    )
    caller.until_status(done, "Completed")
    caller.until_status(notebook, "Running")

    def listed(**query: str) -> set[str]:
        return {session["id"] for session in caller.http.get("/session", params=query).json()}

    assert listed() == {done, notebook}
    assert listed(type="Headless") == {done}
    assert listed(type="desktop-app") == {app}
    assert listed(status="completed") == {done}
    assert listed(type="headless", status="Running") == set()
    assert listed(status="Succeeded") == set()
    assert listed(view="interactive") == {notebook}
    assert listed(view="nonsense") == {done, notebook}


def test_view_all_shows_little_of_everybody(caller: Caller) -> None:
    caller.until_status(caller.create(type="notebook"), "Running")
    (shown,) = caller.http.get("/session", params={"view": "all"}).json()
    assert [*shown] == ["userid", "type", "status", "startTime"]


def test_view_stats_counts_what_runs(caller: Caller) -> None:
    caller.until_status(caller.create(type="notebook", cores=2, ram=8), "Running")
    stats = caller.http.get("/session", params={"view": "stats"}).json()
    assert stats["cores"]["requestedCPUCores"] == 2
    assert stats["ram"]["requestedRAM"] == "8.0G"


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/session/unknown1", 404, "session unknown1 not found"),
        ("GET", "/session/unknown1?view=events", 404, "session unknown1 not found."),
        ("GET", "/session/-x", 400, "canfar.net/id label value must match Kubernetes label value syntax"),
        (
            "GET",
            f"/session/{'x' * 64}",
            400,
            "canfar.net/id label value must match Kubernetes label value syntax",
        ),
        ("DELETE", "/session", 400, "Cannot kill all sessions."),
        ("POST", "/session/?action=renew", 400, "Cannot modify an existing session"),
        ("POST", "/session/unknown1", 400, "Cannot modify an existing session"),
        ("POST", "/session/unknown1?action=stop", 400, "unrecognized action"),
        (
            "POST",
            "/session/unknown1?action=renew",
            400,
            "No active job for user astronomer with session unknown1",
        ),
        ("PUT", "/session", 405, "unsupported: HTTP PUT"),
        ("GET", "/image?type=Headless", 400, "unknown type: Headless"),
    ],
)
def test_the_server_refuses_in_its_own_words(
    shared_caller: Caller, method: str, path: str, status: int, text: str
) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    response = shared_caller.http.request(method, path, headers=headers)
    assert (response.status_code, response.text) == (status, f"{text}\n")
    assert response.headers["content-type"] == "text/plain"


def test_a_method_that_there_is_not_is_told_those_that_there_are(shared_caller: Caller) -> None:
    response = shared_caller.http.head("/session")
    assert (response.status_code, response.headers["allow"]) == (405, "GET, POST, DELETE")


@pytest.mark.parametrize("session", ["unknown1", "-x"])
def test_a_delete_always_answers_200(shared_caller: Caller, session: str) -> None:
    response = shared_caller.http.delete(f"/session/{session}")
    assert (response.status_code, response.text) == (200, "")


def test_logs_of_an_unknown_session_are_empty_and_fine(shared_caller: Caller) -> None:
    assert shared_caller.view("unknown1", "logs") == ""


def test_a_slash_too_many_shows_any_session(caller: Caller) -> None:
    assert caller.http.get("/session/").status_code == 404
    first = caller.create()
    caller.create()
    assert caller.http.get("/session/").json()["id"] == first


@pytest.mark.parametrize("name", ["a" * 64, "-a", "a-", "y", "N", "0o17"])
def test_a_name_that_kubernetes_refuses_is_a_job_that_is_not_found(shared_caller: Caller, name: str) -> None:
    response = shared_caller.post(name=name)
    assert response.status_code == 500
    said = "unexpected exception: java.lang.RuntimeException: io.kubernetes.client.openapi.ApiException: "
    assert response.text.startswith(said)
    assert re.search(r'jobs\.batch \\"skaha-headless-astronomer-[a-z][a-z0-9]{7}\\" not found', response.text)


@pytest.mark.parametrize(
    ("form", "status", "text"),
    [
        ({"args": "$HOME"}, 400, "Illegal group reference\n"),
        ({"args": "${HOME}"}, 400, "No group with name {HOME}\n"),
        ({"env": "A=$1"}, 500, "unexpected exception: java.lang.IndexOutOfBoundsException: No group 1\n"),
        (
            {"cmd": 'a"b'},
            500,
            "unexpected exception: org.yaml.snakeyaml.parser.ParserException: while parsing",
        ),
        ({"args": "a\x1bb"}, 500, "unexpected exception: org.yaml.snakeyaml.reader.ReaderException: special"),
        ({"env": "N=100"}, 500, "unexpected exception: java.lang.RuntimeException: io.kubernetes.client"),
        ({"args": "-n N"}, 500, "unexpected exception: java.lang.RuntimeException: io.kubernetes.client"),
    ],
)
def test_a_plain_mistake_in_a_command_shows_as_it_would_on_the_platform(
    shared_caller: Caller, form: dict[str, str], status: int, text: str
) -> None:
    before = len(shared_caller.emulator.all_sessions())
    response = shared_caller.post(**form)
    assert response.status_code == status
    assert response.text.startswith(text)
    assert len(shared_caller.emulator.all_sessions()) == before


def test_the_quota_counts_what_lives_and_is_interactive(make_caller: Callable[..., Caller]) -> None:
    caller = make_caller(max_interactive=2)
    first = caller.create(type="notebook")
    caller.create(type="desktop")
    caller.create()
    assert caller.post(type="carta").text == "User astronomer has reached the maximum of 2 active sessions.\n"
    assert caller.post().status_code == 200
    caller.http.delete(f"/session/{first}")
    assert caller.post(type="carta").status_code == 200


def test_a_renewal_grants_an_interactive_session_four_days_more(make_caller: Callable[..., Caller]) -> None:
    caller = make_caller(interactive_deadline=1000)
    notebook, headless = caller.create(type="notebook"), caller.shell("sleep\t60")
    before = {
        session: caller.until_status(session, "Running")["expiryTime"] for session in (notebook, headless)
    }
    caller.emulator.configure(interactive_deadline=4000)
    for session in (notebook, headless):
        response = caller.http.post(f"/session/{session}", data={"action": "Renew"})
        assert (response.status_code, response.text) == (200, "")
    assert caller.session(notebook)["expiryTime"] > before[notebook]
    # A headless one has fourteen days, and more of them left than a renewal grants.
    assert caller.session(headless)["expiryTime"] == before[headless]


def test_the_context_is_that_of_a_server_that_reads_it_from_a_file(shared_caller: Caller) -> None:
    context = shared_caller.http.get("/context").json()
    assert context["maxInteractiveSessions"] == "5"
    assert context["cores"]["options"] == [*range(1, 17)]
    assert max(context["memoryGB"]["options"]) == 192
    assert context["gpus"]["options"][0] == 1


def test_images_are_listed_by_kind(shared_caller: Caller) -> None:
    listed = shared_caller.http.get("/image").json()
    assert all([*image] == ["id", "types", "digest"] for image in listed)
    of_a_kind = shared_caller.http.get("/image", params={"type": "carta"}).json()
    assert of_a_kind == [image for image in listed if "carta" in image["types"]]
    assert shared_caller.http.get("/repository").json() == ["images.canfar.net"]


def test_the_service_describes_itself_to_anybody(shared_caller: Caller) -> None:
    root = shared_caller.emulator.url.removesuffix("/v1")
    capabilities = httpx.get(f"{root}/capabilities", trust_env=False).text
    assert f'<accessURL use="base">{root}/v1/session</accessURL>' in capabilities
    assert "http://www.opencadc.org/std/platform#session-1" in capabilities
    assert "<vosi:available>true</vosi:available>" in httpx.get(f"{root}/availability", trust_env=False).text
