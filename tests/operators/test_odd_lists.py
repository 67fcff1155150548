"""Tasks and cleanups on the emulator, while lists are as older servers, or other sessions, make them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import pytest

from airflow_provider_canfar.hooks._airflow_compat import TaskDeferred
from airflow_provider_canfar.hooks._task_instance import TaskInstanceId
from airflow_provider_canfar.hooks.canfar import CanfarHook
from airflow_provider_canfar.operators.cleanup import CanfarCleanupOperator
from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator
from tests.fake_task import FakeTask
from tests.on_emulator import IMAGE, event_of, launch, wait_until

if TYPE_CHECKING:
    from airflow_provider_canfar.testing import Emulator

Outcomes = list[dict[str, Any]]
Run = Callable[..., Outcomes]

#: Cells that no task needs, as they should not be.
ODD_CELLS: dict[str, Any] = {
    "isFixedResources": "<none>",
    "supplementalGroups": [None, "astro", "30123"],
    "runAsUID": 10001,
    "image": None,
    "startTime": 1770000000,
    "requestedGPUCores": "9" * 400,
    "requestedRAM": {"limit": "8G"},
    "expiryTime": ["never"],
}

#: Cells of another session, each as it should not be.
ODD_ROWS: list[dict[str, Any]] = [
    ODD_CELLS,
    {"name": 20260304, "status": None, "type": ["headless"]},
    {"name": None, "status": {"phase": "Running"}, "connectURL": 0},
    {"name": "étoiles", "status": True},
]

#: What a list may hold, as faults of the emulator.
LISTS: dict[str, dict[str, Any]] = {
    "two rows of each session": {"duplicate": {"statuses": ["Terminating", None]}},
    "two rows of each session, the live one first": {"duplicate": {"statuses": [None, "Terminating"]}},
    "rows that cannot be read": {
        "foreign": {"rows": [None, "a word", 7, [], {"id": None}, {"id": "two words"}]}
    },
    "odd cells in another session": {"foreign": {"rows": ODD_ROWS}},
    "odd cells in each session": {"odd_cells": {"cells": ODD_CELLS}},
}


@pytest.fixture(
    name="platform_with_odd_lists", params=LISTS.values(), ids=[name.replace(" ", "-") for name in LISTS]
)
def _platform_with_odd_lists(request: pytest.FixtureRequest, platform: Emulator) -> Emulator:
    platform.faults(**request.param)
    return platform


@pytest.fixture(name="run", params=[False, True], ids=["in the worker", "deferred"])
def _run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, quick_triggers: None) -> Run:
    """Run a headless task, in the worker or deferred."""
    # Only inside a worker does Airflow answer how a task stands.
    monkeypatch.setattr(TaskInstanceId, "state", lambda self: "running")

    def run(*argv: str, **settings: Any) -> Outcomes:
        standard: dict[str, Any] = {
            "task_id": "stars",
            "image": IMAGE,
            "command": list(argv),
            "deferrable": request.param,
            "poll_interval": 0.2,
        }
        task = FakeTask(partial(CanfarHeadlessOperator, **(standard | settings)))
        try:
            return cast("Outcomes", task.run())
        except TaskDeferred as deferral:
            return finish(task, deferral)

    return run


def finish(task: FakeTask, deferral: TaskDeferred) -> Outcomes:
    """Resume a task as often as it defers."""
    while True:
        try:
            return cast("Outcomes", task.resume(deferral, event_of(deferral.trigger)))
        except TaskDeferred as again:
            deferral = again


def test_a_task_ends_well_and_destroys_none_of_its_sessions(
    platform_with_odd_lists: Emulator, run: Run
) -> None:
    outcomes = run("sleep", "1", replicas=2)
    assert [outcome["status"] for outcome in outcomes] == ["Completed", "Completed"]
    sessions = platform_with_odd_lists.all_sessions()
    assert [session["deleted"] for session in sessions] == [None, None]
    assert [session["exit_code"] for session in sessions] == [0, 0]


def test_a_cleanup_destroys_what_it_chooses_and_nothing_else(platform_with_odd_lists: Emulator) -> None:
    for name in ("survey-1", "survey-2", "other"):
        launch(name, "sleep", "60")
    tidy = CanfarCleanupOperator(task_id="tidy", prefix="survey-", settle_time=0.2)
    destroyed = tidy.execute(cast("Any", {}))
    assert sorted(row["name"] for row in destroyed) == ["survey-1", "survey-2"]
    assert [session["name"] for session in platform_with_odd_lists.live()] == ["other"]


@pytest.mark.parametrize("odd", [{"without": ["id"]}, {"without": ["name"]}, {"cells": {"name": 7}}])
def test_a_session_whose_row_cannot_be_read_is_not_gone(
    platform: Emulator, run: Run, odd: dict[str, Any]
) -> None:
    """Its id is known since its launch, and the platform is asked for it."""
    platform.faults(odd_cells={**odd, "path": r"/session$"})
    (outcome,) = run("sleep", "1")
    assert outcome["status"] == "Completed"
    assert [session["deleted"] for session in platform.all_sessions()] == [None]


def test_a_cleanup_by_status_leaves_a_session_that_has_a_live_row(platform: Emulator) -> None:
    wait_until(launch("survey-1", "sleep", "60"), "Running")
    platform.faults(duplicate={"statuses": ["Terminating", "Pending", None]})
    statuses = ["Pending", "Terminating"]
    tidy = CanfarCleanupOperator(task_id="tidy", prefix="survey-", status=statuses, settle_time=0.2)
    assert tidy.execute(cast("Any", {})) == []
    assert len(platform.live()) == 1


@pytest.mark.parametrize(
    "odd",
    [
        {"line_ending": "\r\n"},
        {"line_above": "Warning: v1 Event is deprecated", "line_ending": "\r\n"},
        {"column": "COUNT", "column_at": 0},
        {"column": "COUNT", "column_at": 5, "without_times": "Pull*"},
        {"without_times": "*"},
    ],
)
def test_events_are_read_in_any_format(platform: Emulator, odd: dict[str, Any]) -> None:
    session_id = launch("survey-1", "true")
    wait_until(session_id, "Completed")

    def events() -> list[str]:
        return [str(event) for event in CanfarHook().events(session_id)[session_id]]

    before = events()
    platform.faults(event_format=odd)
    assert events() == before != []
