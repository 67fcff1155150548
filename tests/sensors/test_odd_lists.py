"""The session sensor on the emulator, while lists are as older servers, or other sessions, make them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

import pytest

from airflow_provider_canfar.hooks._airflow_compat import TaskDeferred
from airflow_provider_canfar.sensors.session import CanfarSessionSensor
from tests.fake_task import FakeTask
from tests.on_emulator import event_of, launch

if TYPE_CHECKING:
    from airflow_provider_canfar.testing import Emulator

#: What a list may hold, as faults of the emulator.
LISTS: dict[str, dict[str, Any]] = {
    "two rows of each session": {"duplicate": {"statuses": ["Terminating", None]}},
    "rows that cannot be read": {"foreign": {"rows": [None, "a word", 7, [], {"id": None}]}},
    "odd cells in another session": {
        "foreign": {"rows": [{"isFixedResources": "<none>", "supplementalGroups": [None]}, {"name": 7}]}
    },
    "odd cells in each session": {
        "odd_cells": {"cells": {"isFixedResources": "", "supplementalGroups": ["astro"], "startTime": 7}}
    },
}


@pytest.mark.parametrize("deferrable", [False, True], ids=["in the worker", "deferred"])
@pytest.mark.parametrize("faults", LISTS.values(), ids=[name.replace(" ", "-") for name in LISTS])
@pytest.mark.parametrize("by_name", [False, True], ids=["by id", "by name"])
def test_a_sensor_sees_its_sessions_end(
    platform: Emulator, quick_triggers: None, faults: dict[str, Any], *, deferrable: bool, by_name: bool
) -> None:
    session_id = launch("survey-1", "sleep", "1")
    platform.faults(**faults)
    chosen: dict[str, Any] = {"prefix": "survey-"} if by_name else {"ids": session_id}
    settings: dict[str, Any] = {"deferrable": deferrable, "poll_interval": 0.2, "timeout": 20, **chosen}
    task = FakeTask(partial(CanfarSessionSensor, task_id="wait", **settings))
    try:
        rows = cast("list[dict[str, Any]]", task.run())
    except TaskDeferred as deferral:
        rows = cast("list[dict[str, Any]]", task.resume(deferral, event_of(deferral.trigger)))
    assert [(row["session_id"], row["status"]) for row in rows] == [(session_id, "Completed")]
