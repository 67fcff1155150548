"""The responses of the session calls."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.emulator.conftest import Caller


def test_a_create_returns_an_id_and_a_line_feed(shared_caller: Caller) -> None:
    response = shared_caller.post()
    assert re.fullmatch(r"[a-z][a-z0-9]{7}\n", response.text)
    assert response.headers["content-type"] == "text/plain"
    assert response.headers["x-vo-authenticated"] == "astronomer"


def test_a_session_is_shown_without_null_fields(make_caller: Callable[..., Caller]) -> None:
    """No times without a pod, no resources when they are flexible, and no usage before it runs."""
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
    ("requested", "fields"),
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
def test_fixed_resources_are_shown_in_the_platform_s_units(
    shared_caller: Caller, requested: dict[str, Any], fields: dict[str, Any]
) -> None:
    session = shared_caller.session(shared_caller.create(**requested))
    assert fields.items() <= session.items()
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
    # This view has no filter by type.
    assert listed(view="interactive") == listed(view="interactive", type="headless") == {notebook}
    assert listed(view="nonsense") == {done, notebook}


def test_view_all_shows_few_fields(caller: Caller) -> None:
    caller.until_status(caller.create(type="notebook"), "Running")
    (shown,) = caller.http.get("/session", params={"view": "all"}).json()
    assert [*shown] == ["userid", "type", "status", "startTime"]


def test_view_stats_counts_running_sessions(caller: Caller) -> None:
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
def test_an_error_has_the_server_s_own_sentence(
    shared_caller: Caller, method: str, path: str, status: int, text: str
) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    response = shared_caller.http.request(method, path, headers=headers)
    assert (response.status_code, response.text) == (status, f"{text}\n")
    assert response.headers["content-type"] == "text/plain"


def test_an_unsupported_method_gets_the_allowed_ones(shared_caller: Caller) -> None:
    response = shared_caller.http.head("/session")
    assert (response.status_code, response.headers["allow"]) == (405, "GET, POST, DELETE")


@pytest.mark.parametrize("session", ["unknown1", "-x"])
def test_a_delete_always_gets_a_200(shared_caller: Caller, session: str) -> None:
    response = shared_caller.http.delete(f"/session/{session}")
    assert (response.status_code, response.text) == (200, "")


def test_the_log_of_an_unknown_session_is_empty(shared_caller: Caller) -> None:
    assert shared_caller.view("unknown1", "logs") == ""


def test_a_trailing_slash_shows_the_first_session(caller: Caller) -> None:
    assert caller.http.get("/session/").status_code == 404
    first, *_ = sorted([caller.create(), caller.create()])
    assert caller.http.get("/session/").json()["id"] == first


@pytest.mark.parametrize("name", ["a" * 64, "-a", "a-", "y", "N", "0o17"])
def test_a_name_that_kubernetes_rejects_gives_job_not_found(shared_caller: Caller, name: str) -> None:
    response = shared_caller.post(name=name)
    assert response.status_code == 500
    message = "unexpected exception: java.lang.RuntimeException: io.kubernetes.client.openapi.ApiException: "
    assert response.text.startswith(message)
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
def test_a_mistake_in_a_command_gets_the_platform_s_error(
    shared_caller: Caller, form: dict[str, str], status: int, text: str
) -> None:
    before = len(shared_caller.emulator.all_sessions())
    response = shared_caller.post(**form)
    assert response.status_code == status
    assert response.text.startswith(text)
    assert len(shared_caller.emulator.all_sessions()) == before


def test_the_quota_counts_live_interactive_sessions(make_caller: Callable[..., Caller]) -> None:
    caller = make_caller(max_interactive=2)
    first = caller.create(type="notebook")
    caller.create(type="desktop")
    caller.create()
    assert caller.post(type="carta").text == "User astronomer has reached the maximum of 2 active sessions.\n"
    assert caller.post().status_code == 200
    caller.http.delete(f"/session/{first}")
    assert caller.post(type="carta").status_code == 200


def test_a_renewal_extends_an_interactive_session(make_caller: Callable[..., Caller]) -> None:
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
    # A headless session has fourteen days, more than a renewal grants.
    assert caller.session(headless)["expiryTime"] == before[headless]
