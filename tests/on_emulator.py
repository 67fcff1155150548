"""What tests on the emulator have in common: a platform, sessions on it, and triggers run as Airflow does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

import dev.waiting
from airflow_provider_canfar.hooks._airflow_compat import TaskDeferred
from airflow_provider_canfar.hooks.canfar import CanfarHook
from airflow_provider_canfar.operators._teardown import Teardown
from airflow_provider_canfar.testing import CONNECTION_VARIABLE, Emulator, running_emulator
from airflow_provider_canfar.triggers import _base as trigger_base
from tests.airflow_versions import deserialize, serialize

if TYPE_CHECKING:
    from airflow.triggers.base import BaseTrigger

    from tests.fake_task import FakeTask

IMAGE = "images.canfar.net/skaha/astroml:24.07"


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """Start an emulator, and let the default connection lead to it."""
    with running_emulator(start_delay=0.0, flicker=0.0) as emulator:
        monkeypatch.setenv(CONNECTION_VARIABLE, json.dumps(emulator.connection))
        yield emulator


@pytest.fixture
def quick_triggers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let triggers fire at once: no scheduler is there that could be too slow for them."""
    monkeypatch.setattr(trigger_base, "NO_EVENT_WITHIN", 0.0)


def launch(name: str, *argv: str, kind: str = "headless") -> str:
    """Launch a session as somebody else would, and return its id."""
    fields: dict[str, Any] = {"name": name, "image": IMAGE, "kind": kind}
    if kind == "headless":
        fields["command"] = argv or ("true",)
    (session_id,) = CanfarHook().create(**fields)
    return session_id


def wait_until(session_id: str, status: str) -> None:
    """Wait until a session has a status."""
    dev.waiting.wait_until(
        lambda: CanfarHook().info(session_id)[session_id].status_word == status,
        description=f"{session_id} to be {status}",
        timeout=20,
        interval=0.05,
    )


def stored(trigger: BaseTrigger) -> BaseTrigger:
    """Return the trigger that a triggerer makes of what Airflow has stored of this one."""
    path, kwargs = trigger.serialize()
    assert path == f"{type(trigger).__module__}.{type(trigger).__qualname__}"
    written = json.dumps({name: serialize(value) for name, value in kwargs.items()})
    read = {name: deserialize(value) for name, value in json.loads(written).items()}
    assert read == kwargs
    return type(trigger)(**read)


def event_of(trigger: BaseTrigger) -> dict[str, Any]:
    """Run a trigger to its event, and return the payload as Airflow hands it to the task."""

    async def first() -> dict[str, Any]:
        events = stored(trigger).run()
        payload: dict[str, Any] = (await anext(events)).payload
        # Nothing follows the event of a task's trigger.
        assert [event async for event in events] == []
        return payload

    payload: dict[str, Any] = json.loads(json.dumps(asyncio.run(asyncio.wait_for(first(), timeout=60))))
    return payload


def run(task: FakeTask) -> Any:
    """Run a task to its end, in the worker and in the triggerer."""
    try:
        return task.run()
    except TaskDeferred as deferral:
        deferred = deferral
    while True:
        try:
            return task.resume(deferred, event_of(deferred.trigger))
        except TaskDeferred as again:
            deferred = again


class Died(BaseException):
    """The worker is gone."""


def die_after_the_launch(task: FakeTask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a task until its worker dies, when its sessions exist and Airflow does not know of them."""

    def die(key: str, value: Any) -> None:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(task.ti, "xcom_push", die)
        # A killed process does nothing more.
        patch.setattr(Teardown, "destroy_all", lambda *_, **__: None)
        with pytest.raises(Died):
            task.run()


@contextmanager
def shown() -> Iterator[list[str]]:
    """Collect what the task's log shows."""
    lines: list[str] = []
    with capture_logs() as entries:
        try:
            yield lines
        finally:
            lines += [str(entry["event"]) % entry.get("positional_args", ()) for entry in entries]
