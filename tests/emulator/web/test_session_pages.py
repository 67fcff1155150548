"""Connect URLs: what a person meets there, from before an interactive session runs until after its end."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest

from airflow_provider_canfar.skaha.page import answers

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
def test_a_running_session_says_which_it_is(caller: Caller, kind: str) -> None:
    session = caller.create(type=kind, name="look-at-m13")
    caller.until_status(session, "Running")
    answer = visit(connect_url(caller, session))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("default-src 'none';")
    for said in (f'data-session="{session}"', f">{kind}<", ">look-at-m13<", f">{session}<", ">Running<"):
        assert said in answer.text


async def test_it_answers_only_while_it_runs(make_caller: Callable[..., Caller]) -> None:
    """Nothing is there in the queue; nobody listens while it gets ready; nothing is left after its end."""
    caller = make_caller(start_delay=60)
    session = caller.create(type="notebook")
    url = connect_url(caller, session)
    assert (visit(url).status_code, await answers(url)) == (404, False)
    caller.http.delete(f"/session/{session}")

    caller.emulator.configure(start_delay=0)
    caller.emulator.faults(pull={})
    session = caller.create(type="notebook")
    url = connect_url(caller, session)
    caller.until(lambda: caller.record(session)["state"] == "pulling")
    assert (visit(url).status_code, await answers(url)) == (503, False)

    caller.emulator.clear_faults()
    caller.until_status(session, "Running")
    assert (visit(url).status_code, await answers(url)) == (200, True)

    caller.http.delete(f"/session/{session}")
    assert (visit(url).status_code, await answers(url)) == (404, False)


def test_it_is_gone_after_its_deadline(make_caller: Callable[..., Caller]) -> None:
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


def test_what_a_person_has_named_is_text_on_it(caller: Caller) -> None:
    """An image may be called almost anything."""
    image = "images.canfar.net/skaha/<img src=x onerror=alert(1)>&$name:1"
    session = caller.create(type="notebook", image=image)
    caller.until_status(session, "Running")
    page = visit(connect_url(caller, session)).text
    assert "<img" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;&amp;$name:1" in page


def test_faults_strike_it_and_it_is_counted_by_its_kind(caller: Caller) -> None:
    session = caller.create(type="firefly")
    caller.until_status(session, "Running")
    url = connect_url(caller, session)
    caller.emulator.faults(busy={"path": "^/session/"})
    caller.emulator.forget_requests()
    assert visit(url).status_code == 503
    assert caller.emulator.requests() == {"GET /session/firefly/{id}": 1}
    assert urlsplit(url).path == f"/session/firefly/{session}/firefly/"
