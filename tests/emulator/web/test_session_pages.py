"""The connect URLs of interactive sessions, from the queue until after the end."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest

from airflow_provider_canfar.skaha.http.url_probe import responds

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.emulator.conftest import Caller

KINDS = ("notebook", "desktop", "carta", "firefly", "contributed")


def visit(url: str) -> httpx.Response:
    """Open an address without any credential."""
    return httpx.get(url, trust_env=False, timeout=60)


def connect_url(caller: Caller, session: str) -> str:
    url: str = caller.session(session)["connectURL"]
    return url


@pytest.mark.parametrize("kind", KINDS)
def test_a_running_session_has_a_page_with_its_name_and_id(caller: Caller, kind: str) -> None:
    session = caller.create(type=kind, name="look-at-m13")
    caller.until_status(session, "Running")
    response = visit(connect_url(caller, session))
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["content-security-policy"].startswith("default-src 'none';")
    for text in (f'data-session="{session}"', f">{kind}<", ">look-at-m13<", f">{session}<", ">Running<"):
        assert text in response.text


async def test_it_responds_only_while_the_session_runs(make_caller: Callable[..., Caller]) -> None:
    """There is no route in the queue, no server while it gets ready, and no route after its end."""
    caller = make_caller(start_delay=60)
    session = caller.create(type="notebook")
    url = connect_url(caller, session)
    assert (visit(url).status_code, await responds(url)) == (404, False)
    caller.http.delete(f"/session/{session}")

    caller.emulator.configure(start_delay=0)
    caller.emulator.faults(pull={})
    session = caller.create(type="notebook")
    url = connect_url(caller, session)
    caller.until(lambda: caller.record(session)["state"] == "pulling")
    assert (visit(url).status_code, await responds(url)) == (503, False)

    caller.emulator.clear_faults()
    caller.until_status(session, "Running")
    assert (visit(url).status_code, await responds(url)) == (200, True)

    caller.http.delete(f"/session/{session}")
    assert (visit(url).status_code, await responds(url)) == (404, False)


def test_it_is_gone_after_the_deadline(make_caller: Callable[..., Caller]) -> None:
    caller = make_caller(interactive_deadline=0.1)
    session = caller.create(type="carta")
    caller.until_status(session, "Failed")
    assert visit(connect_url(caller, session)).status_code == 404


def test_it_is_not_found_under_another_kind(caller: Caller) -> None:
    notebook, headless = caller.create(type="notebook"), caller.shell("sleep\t60")
    for session in (notebook, headless):
        caller.until_status(session, "Running")
    root = caller.emulator.url.removesuffix("/skaha/v1")
    for path in (f"carta/{notebook}/", f"headless/{headless}/", "notebook/k3v9x2qa/", f"notebook/{headless}"):
        assert visit(f"{root}/session/{path}").status_code == 404
    assert visit(f"{root}/session/notebook/{notebook}").status_code == 200


def test_a_user_s_text_is_escaped_on_it(caller: Caller) -> None:
    """An image's name may contain almost any character."""
    image = "images.canfar.net/skaha/<img src=x onerror=alert(1)>&$name:1"
    session = caller.create(type="notebook", image=image)
    caller.until_status(session, "Running")
    page = visit(connect_url(caller, session)).text
    assert "<img" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;&amp;$name:1" in page


def test_faults_affect_it_and_its_requests_are_counted_by_kind(caller: Caller) -> None:
    session = caller.create(type="firefly")
    caller.until_status(session, "Running")
    url = connect_url(caller, session)
    caller.emulator.faults(busy={"path": "^/session/"})
    caller.emulator.forget_requests()
    assert visit(url).status_code == 503
    assert caller.emulator.requests() == {"GET /session/firefly/{id}": 1}
    assert urlsplit(url).path == f"/session/firefly/{session}/firefly/"
