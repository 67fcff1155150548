"""The hook's own verbs, on the emulator: the client's, for blocking code."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator

import pytest

from airflow_provider_canfar.hooks._verbs import Verbs
from airflow_provider_canfar.hooks.canfar import CanfarHook
from airflow_provider_canfar.skaha.client import SkahaClient
from airflow_provider_canfar.skaha.errors import PartialFailure
from airflow_provider_canfar.skaha.models import SessionSpec
from airflow_provider_canfar.testing import CONNECTION_VARIABLE, Emulator, running_emulator
from dev.waiting import wait_until

IMAGE = "images.canfar.net/skaha/astroml:24.07"

#: Verbs that blocking callers have no use for.
ASYNC_ONLY = {"stream_logs", "create_replica", "poll", "replace_credential"}


@pytest.fixture(name="platform")
def _platform(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    with running_emulator(start_delay=0.0, user="mcurie") as emulator:
        monkeypatch.setenv(CONNECTION_VARIABLE, json.dumps(emulator.connection))
        yield emulator


def test_the_life_of_a_session(platform: Emulator) -> None:
    hook = CanfarHook()
    (session_id,) = hook.create(name="hello", image=IMAGE, command=["echo", "Hello, World!"])
    wait_until(lambda: hook.info(session_id)[session_id].status.is_final, description="its end", timeout=20)
    assert hook.logs(session_id) == {session_id: "Hello, World!\n"}
    assert [session.id for session in hook.fetch(kind="headless", status="Succeeded")] == [session_id]
    assert "Started" in {event.reason for event in hook.events(session_id)[session_id]}
    assert "Started" in hook.events_text([session_id])[session_id]
    assert hook.destroy_with("hello") == {session_id: True}
    assert hook.fetch() == []


def test_an_interactive_session(platform: Emulator) -> None:
    hook = CanfarHook()
    (session_id,) = hook.create(SessionSpec(name="inspect", image=IMAGE, kind="notebook"))
    wait_until(lambda: hook.fetch(status="Running"), description="its start", timeout=20)
    assert session_id in hook.connect_url(session_id)
    assert hook.renew(session_id) == {session_id: True}
    assert hook.destroy([session_id]) == {session_id: True}


def test_the_platform_itself(platform: Emulator) -> None:
    hook = CanfarHook()
    assert hook.whoami() == "mcurie"
    assert hook.stats().available.cores
    assert hook.context().cores.options
    assert IMAGE in [image.id for image in hook.images("notebook")]
    assert hook.repositories() == ["images.canfar.net"]


def test_a_partial_failure_of_the_hook_has_the_results(platform: Emulator) -> None:
    hook = CanfarHook()
    (session_id,) = hook.create(name="hello", image=IMAGE, command=["true"])
    with pytest.raises(PartialFailure) as failure:
        hook.info([session_id, "k3v9x2qa"])
    assert list(failure.value.results) == [session_id]


def test_private_images_use_the_connections_registry(
    platform: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = {"registry_username": "mcurie", "registry_secret": "s"}
    monkeypatch.setenv(CONNECTION_VARIABLE, json.dumps(platform.connection | {"extra": extra}))
    assert CanfarHook().create(name="hello", image="images.canfar.net/mine/own:1", command=["true"])


def _public(of: type) -> dict[str, inspect.Signature]:
    return {
        name: inspect.signature(member)
        for name, member in inspect.getmembers(of, inspect.isfunction)
        if not name.startswith("_")
    }


def test_the_hook_has_each_verb_of_the_client_with_the_same_arguments() -> None:
    theirs, ours = _public(SkahaClient), _public(Verbs)
    verbs = {name for name in theirs if name not in ASYNC_ONLY and name in ours}
    missing = {
        name
        for name, member in inspect.getmembers(SkahaClient, inspect.iscoroutinefunction)
        if not name.startswith("_")
    } - ASYNC_ONLY
    assert missing == verbs
    for name in verbs:
        assert list(ours[name].parameters) == list(theirs[name].parameters), name
