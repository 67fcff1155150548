"""Desktop apps, which share the id of their desktop."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.emulator.conftest import IMAGE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.emulator.conftest import Caller


def attach(caller: Caller, desktop: str, **form: Any) -> str:
    response = caller.http.post(f"/session/{desktop}/app", data={"image": IMAGE, **form})
    assert response.status_code == 200, response.text
    return response.text.strip()


@pytest.fixture
def desktop(caller: Caller) -> str:
    session = caller.create(type="desktop", name="desk")
    caller.until_status(session, "Running")
    return session


def test_an_app_has_the_id_of_its_desktop_and_one_of_its_own(caller: Caller, desktop: str) -> None:
    app = attach(caller, desktop, cores=2, ram=4)
    assert re.fullmatch("[a-z][a-z0-9]{2}", app)
    caller.until(lambda: "Running" in caller.http.get(f"/session/{desktop}/app/{app}").text)
    shown = caller.http.get(f"/session/{desktop}/app/{app}").json()
    assert (shown["id"], shown["appid"], shown["type"]) == (desktop, app, "desktop-app")
    assert (shown["name"], shown["connectURL"]) == ("astroml-24-07", "")
    assert (shown["requestedCPUCores"], shown["requestedRAM"]) == ("2", "4.29")
    assert caller.session(desktop)["name"] == "desk"
    assert "appid" not in caller.session(desktop)


def test_apps_of_all_desktops_are_listed(caller: Caller, desktop: str) -> None:
    other = caller.create(type="desktop")
    caller.until_status(other, "Running")
    apps = {(each, attach(caller, each)) for each in (desktop, desktop, other)}

    def listed(path: str, **query: str) -> set[tuple[str, str | None]]:
        return {(row["id"], row.get("appid")) for row in caller.http.get(path, params=query).json()}

    assert len(apps) == 3
    assert listed("/session", type="desktop-app") == apps
    assert listed(f"/session/{desktop}/app") == listed("/session/unknown1/anything") == apps
    assert listed("/session") == {(desktop, None), (other, None)}
    assert listed("/session", view="interactive") == {(desktop, None), (other, None), *apps}
    public = caller.http.get(f"/session/{desktop}/app", params={"view": "all"}).json()
    assert [{*row} - {"startTime"} for row in public] == [{"userid", "type", "status"}] * 3


def test_an_app_is_deleted_alone_and_a_desktop_with_its_apps(caller: Caller, desktop: str) -> None:
    first, second = attach(caller, desktop), attach(caller, desktop)
    assert caller.http.delete(f"/session/{desktop}/app/{first}").text == ""
    assert caller.http.get(f"/session/{desktop}/app/{first}").status_code == 404
    assert caller.http.get(f"/session/{desktop}/app/{second}").status_code == 200
    assert caller.session(desktop)["status"] == "Running"
    caller.http.delete(f"/session/{desktop}")
    assert caller.http.get("/session", params={"type": "desktop-app"}).json() == []
    records = [(record["id"], record["app_id"]) for record in caller.emulator.all_sessions()]
    assert records == [(desktop, None), (desktop, first), (desktop, second)]
    caller.until(lambda: caller.emulator.live() == [])


def test_apps_count_towards_no_quota(make_caller: Callable[..., Caller]) -> None:
    caller = make_caller(max_interactive=2)
    desktop = caller.create(type="desktop")
    caller.until_status(desktop, "Running")
    attach(caller, desktop)
    attach(caller, desktop)
    assert caller.post(type="notebook").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "form", "status", "text"),
    [
        ("POST", "/session/unknown1/app", {}, 400, "Missing parameter 'image'"),
        ("POST", "/session/unknown1/app", {"image": IMAGE}, 404, "session unknown1 not found"),
        ("POST", "/session/unknown1/app", {"image": IMAGE, "ram": "3"}, 400, "Invalid value for 'ram': 3"),
        ("POST", "/session/unknown1/app/abc", {}, 400, "Missing parameter 'image'"),
        ("POST", "/session/unknown1/app/abc", {"image": IMAGE}, 400, "Cannot modify an existing app."),
        (
            *("GET", "/session/unknown1/app/abc", {}, 404),
            "desktop app with session unknown1 and app ID abc was not found",
        ),
        ("DELETE", "/session/unknown1/app", {}, 400, "Missing app ID"),
        ("DELETE", "/session/unknown1/app/abc", {}, 200, ""),
        ("GET", "/session/unknown1/app/abc/more", {}, 400, "Invalid request: unknown1/app/abc/more"),
        ("PUT", "/session/unknown1/app", {}, 405, "unsupported: HTTP PUT"),
    ],
)
def test_an_error_has_the_server_s_own_sentence(
    shared_caller: Caller, method: str, path: str, form: dict[str, str], status: int, text: str
) -> None:
    response = shared_caller.http.request(method, path, data=form)
    assert (response.status_code, response.text) == (status, f"{text}\n" if text else "")


def test_only_a_desktop_with_a_pod_has_apps(make_caller: Callable[..., Caller]) -> None:
    caller = make_caller()
    notebook = caller.create(type="notebook")
    caller.until_status(notebook, "Running")
    caller.emulator.configure(start_delay=60)
    queued = caller.create(type="desktop")
    for session in (notebook, queued):
        response = caller.http.post(f"/session/{session}/app", data={"image": IMAGE})
        assert (response.status_code, response.text) == (404, f"session {session} not found\n")


def test_a_slash_behind_a_session_s_id_changes_nothing(caller: Caller, desktop: str) -> None:
    assert caller.session(f"{desktop}/") == caller.session(desktop)


def test_an_app_is_counted_by_its_template(caller: Caller, desktop: str) -> None:
    caller.emulator.forget_requests()
    caller.http.get(f"/session/{desktop}/app")
    caller.http.get(f"/session/{desktop}/app/abc")
    assert caller.emulator.requests() == {"GET /session/{id}/app": 1, "GET /session/{id}/app/{app}": 1}
