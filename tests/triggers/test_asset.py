"""The trigger that starts DAGs, on the emulator."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from airflow.sdk import Asset, AssetWatcher
from structlog.testing import capture_logs

from airflow_provider_canfar.hooks.canfar import CanfarHook
from airflow_provider_canfar.testing import CONNECTION_VARIABLE
from airflow_provider_canfar.triggers import asset
from airflow_provider_canfar.triggers.asset import CanfarSessionEventTrigger
from dev import waiting
from tests.on_emulator import launch, shown, stored, wait_until

if TYPE_CHECKING:
    from airflow.triggers.base import TriggerEvent

    from airflow_provider_canfar.testing import Emulator


class FakeStore:
    """Keeps values as Airflow's asset state store does: as JSON."""

    def __init__(self) -> None:
        self.rows: dict[str, str] = {}

    async def aget(self, key: str, default: Any = None) -> Any:
        return json.loads(self.rows[key]) if key in self.rows else default

    async def aset(self, key: str, value: Any) -> None:
        self.rows[key] = json.dumps(value)


class BrokenStore:
    """Fails, as Airflow's store does for a trigger of two assets."""

    async def aget(self, key: str) -> Any:
        raise ValueError("Task has 2 concrete inlets and outlets")

    async def aset(self, key: str, value: Any) -> None:
        raise ValueError("Task has 2 concrete inlets and outlets")


def watcher(store: Any = None, **settings: Any) -> CanfarSessionEventTrigger:
    """Make a trigger as the triggerer does, with the asset's store."""
    trigger = stored(CanfarSessionEventTrigger(poll_interval=0.2, **settings))
    assert isinstance(trigger, CanfarSessionEventTrigger)
    trigger.asset_state_store = store
    return trigger


async def polled(platform: Emulator, times: int = 3) -> None:
    """Wait until a poll that began after now has been handled: the next one has begun."""

    def lists() -> int:
        return sum(
            count for request, count in platform.requests().items() if request.startswith("GET /session")
        )

    before = await asyncio.to_thread(lists)
    await asyncio.to_thread(
        waiting.wait_until,
        lambda: lists() >= before + times,
        description=f"{times} polls",
        timeout=30,
        interval=0.1,
    )


async def fired(
    platform: Emulator,
    trigger: CanfarSessionEventTrigger,
    *actions: Callable[[], Any],
    count: int = 1,
) -> list[dict[str, Any]]:
    """Run a watcher, act once it polls, and return the payloads of its first events."""
    events: AsyncIterator[TriggerEvent] = trigger.run()
    first = asyncio.ensure_future(anext(events))
    if actions:
        await polled(platform)
    for action in actions:
        await asyncio.to_thread(action)
    payloads = [(await asyncio.wait_for(first, timeout=30)).payload]
    while len(payloads) < count:
        payloads += [(await asyncio.wait_for(anext(events), timeout=30)).payload]
    # It saves what it has fired when it continues.
    another = asyncio.ensure_future(anext(events))
    await polled(platform)
    assert not another.done()
    another.cancel()
    await asyncio.gather(another, return_exceptions=True)
    return json.loads(json.dumps(payloads))  # type: ignore[no-any-return]  # as Airflow stores them


async def test_the_end_of_a_session_fires(platform: Emulator) -> None:
    (payload,) = await fired(
        platform,
        watcher(prefix="survey-"),
        lambda: launch("other", "true"),
        lambda: launch("survey-1", "true"),
    )
    assert (payload["name"], payload["kind"], payload["status"]) == ("survey-1", "headless", "Completed")
    assert payload["session_id"] == platform.all_sessions()[-1]["id"]


async def test_an_end_fires_once(platform: Emulator) -> None:
    payloads = await fired(
        platform,
        watcher(prefix="survey-"),
        lambda: launch("survey-1", "true"),
        lambda: launch("survey-2", "sleep", "1"),
        count=2,
    )
    assert [payload["name"] for payload in payloads] == ["survey-1", "survey-2"]


async def test_a_notebook_ends_by_being_destroyed(platform: Emulator) -> None:
    session_id = await asyncio.to_thread(launch, "a-notebook", kind="notebook")
    (payload,) = await fired(platform, watcher(kind="notebook"), lambda: CanfarHook().destroy(session_id))
    assert (payload["session_id"], payload["status"]) == (session_id, "Gone")


async def test_a_session_that_had_ended_before_the_first_poll_does_not_fire(platform: Emulator) -> None:
    session_id = await asyncio.to_thread(launch, "survey-1", "true")
    await asyncio.to_thread(wait_until, session_id, "Completed")
    (payload,) = await fired(platform, watcher(prefix="survey-"), lambda: launch("survey-2", "true"))
    assert payload["name"] == "survey-2"


async def test_only_ends_in_the_given_statuses_fire(platform: Emulator) -> None:
    (payload,) = await fired(
        platform,
        watcher(prefix="survey-", status="Failed"),
        lambda: launch("survey-1", "true"),
        lambda: launch("survey-2", "false"),
    )
    assert payload["name"] == "survey-2"


async def test_with_when_all_ended_it_fires_once(platform: Emulator) -> None:
    (payload,) = await fired(
        platform,
        watcher(prefix="survey-", when_all_ended=True),
        lambda: launch("survey-1", "sleep", "1.5"),
        lambda: launch("survey-2", "true"),
        lambda: launch("survey-3", "false"),
    )
    ends = {row["name"]: row["status"] for row in payload["sessions"]}
    assert ends == {"survey-1": "Completed", "survey-2": "Completed", "survey-3": "Failed"}


async def test_an_end_while_no_triggerer_ran_fires_if_airflow_stores_the_state(platform: Emulator) -> None:
    store = FakeStore()
    await fired(platform, watcher(store, prefix="survey-"), lambda: launch("survey-1", "true"))
    session_id = await asyncio.to_thread(launch, "survey-2", "true")
    await asyncio.to_thread(wait_until, session_id, "Completed")
    (payload,) = await fired(platform, watcher(store, prefix="survey-"))
    assert payload["name"] == "survey-2"


async def test_a_session_gone_while_no_triggerer_ran_fires_if_airflow_stores_the_state(
    platform: Emulator,
) -> None:
    store = FakeStore()
    session_id = await asyncio.to_thread(launch, "a-notebook", kind="notebook")
    await fired(platform, watcher(store, regex="notebook|survey"), lambda: launch("survey-1", "true"))
    await asyncio.to_thread(CanfarHook().destroy, session_id)
    (payload,) = await fired(platform, watcher(store, regex="notebook|survey"))
    assert (payload["session_id"], payload["status"]) == (session_id, "Gone")


async def test_it_fires_without_a_store_that_works(platform: Emulator) -> None:
    payloads = await fired(
        platform, watcher(BrokenStore(), prefix="survey-"), lambda: launch("survey-1", "true")
    )
    assert len(payloads) == 1


async def test_it_keeps_watching_during_an_outage(platform: Emulator) -> None:
    payloads = await fired(
        platform,
        watcher(prefix="survey-"),
        lambda: launch("survey-1", "true"),
        lambda: platform.faults(outage={"mode": "busy", "retry_after": 0}),
        lambda: asyncio.run(polled(platform, 1)),
        platform.clear_faults,
    )
    assert len(payloads) == 1


async def test_after_a_refused_credential_it_retries_with_what_the_connection_holds_then(
    platform: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asset, "RETRY_DELAY", 0.3)
    stale = json.dumps(platform.connection | {"password": "stale"})
    monkeypatch.setenv(CONNECTION_VARIABLE, stale)

    def repair() -> None:
        monkeypatch.setenv(CONNECTION_VARIABLE, json.dumps(platform.connection))

    with capture_logs() as entries:
        trigger = watcher(prefix="survey-")
        event = asyncio.ensure_future(anext(trigger.run()))
        await polled(platform)
        repair()
        await polled(platform)
        await asyncio.to_thread(launch, "survey-1", "true")
        payload = (await asyncio.wait_for(event, timeout=30)).payload
    assert payload["name"] == "survey-1"
    errors = [
        str(one["event"]) % one.get("positional_args", ()) for one in entries if one["log_level"] == "error"
    ]
    assert any(line.startswith("Cannot watch sessions; retrying in") for line in errors), "no task says so"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({}, "Invalid selection"),
        ({"prefix": ""}, "Invalid selection"),
        ({"prefix": "survey_"}, "letters, digits"),
        ({"prefix": 7}, "Invalid prefix 7"),
        ({"regex": "["}, "missing ]"),
        ({"regex": "(?=a)"}, "lookaheads"),
        ({"ids": []}, "Invalid ids"),
        ({"ids": [7]}, "session id 7"),
        ({"prefix": "a", "kind": "notebok"}, "kind 'notebok'"),
        ({"prefix": "a", "kind": 7}, "7"),
        ({"prefix": "a", "status": "Done"}, "status 'Done'"),
        ({"prefix": "a", "status": "Running"}, "status 'Running'"),
        ({"prefix": "a", "status": []}, "Invalid status"),
        ({"prefix": "a", "status": [None]}, ""),
        ({"prefix": "a", "when_all_ended": "yes"}, "when_all_ended 'yes'"),
        ({"prefix": "a", "poll_interval": "often"}, "poll_interval 'often'"),
        ({"prefix": "a", "poll_interval": timedelta(seconds=-1)}, "poll_interval"),
    ],
)
async def test_an_invalid_argument_is_logged_once_as_an_error_and_fires_nothing(
    platform: Emulator, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], reason: str
) -> None:
    monkeypatch.setattr(asset, "RETRY_DELAY", 0.01)
    trigger = stored(CanfarSessionEventTrigger(**settings))
    with capture_logs() as entries:
        event = asyncio.ensure_future(anext(trigger.run()))
        done, _ = await asyncio.wait([event], timeout=0.5)
        event.cancel()
        await asyncio.gather(event, return_exceptions=True)
    assert not done
    (entry,) = entries
    assert entry["log_level"] == "error"
    line = str(entry["event"]) % entry.get("positional_args", ())
    assert reason in line
    assert "Correct its arguments in the DAG file" in line
    assert platform.requests() == {}


def test_an_unknown_argument_is_logged_with_the_one_that_was_meant() -> None:
    """It cannot raise: a row in Airflow's database outlives an upgrade."""
    with shown() as lines:
        CanfarSessionEventTrigger(prefx="survey-")
    assert lines == [
        "Unknown argument 'prefx' of CanfarSessionEventTrigger is ignored. Did you mean 'prefix'?"
    ]


def test_an_interval_can_be_a_timedelta_and_words_a_set() -> None:
    trigger = CanfarSessionEventTrigger(
        prefix="a", poll_interval=timedelta(minutes=1), kind=cast("Any", {"notebook", "headless"})
    )
    arguments = stored(trigger).serialize()[1]
    assert (arguments["poll_interval"], arguments["kind"]) == (60.0, ["headless", "notebook"])


def test_an_asset_accepts_it_as_its_watcher() -> None:
    ended = Asset(
        "survey_ended",
        watchers=[AssetWatcher(name="survey", trigger=CanfarSessionEventTrigger(prefix="survey-"))],
    )
    assert ended.watchers[0].trigger.serialize()[1]["prefix"] == "survey-"


def test_airflow_tells_watchers_apart_by_their_arguments() -> None:
    def fingerprint(**settings: Any) -> int:
        return CanfarSessionEventTrigger.hash(*CanfarSessionEventTrigger(**settings).serialize())

    assert fingerprint(prefix="a") == fingerprint(prefix="a", status=["Completed", "Failed", "Gone"])
    assert fingerprint(prefix="a") != fingerprint(prefix="b")
