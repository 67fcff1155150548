"""OpenLineage is told of a task's sessions and files, through its own provider, and of no secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import Asset, ObjectStoragePath

import airflow_provider_canfar.fs.paths  # noqa: F401 (as DAG files must with Airflow 3.1, before the first path)
from airflow_provider_canfar.hooks._task_instance import TaskInstanceId
from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator
from airflow_provider_canfar.skaha.errors import SessionFailed
from airflow_provider_canfar.testing import CONNECTION_VARIABLE, Emulator, running_emulator
from tests.fake_task import FakeTask

pytest.importorskip("airflow.providers.openlineage")

from airflow.providers.openlineage.extractors.manager import ExtractorManager
from airflow.utils.state import TaskInstanceState
from openlineage.client.serde import Serde

IMAGE = "images.canfar.net/skaha/astroml:24.07"
ARC = "vos://cadc.nrc.ca~arc"


@pytest.fixture(name="platform")
def _platform(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    with running_emulator(start_delay=0.0) as emulator:
        monkeypatch.setenv(CONNECTION_VARIABLE, json.dumps(emulator.connection))
        monkeypatch.setattr(TaskInstanceId, "state", lambda self: "running")
        yield emulator


def task(script: str, **arguments: Any) -> FakeTask:
    def make() -> CanfarHeadlessOperator:
        return CanfarHeadlessOperator(
            task_id="stars",
            image=IMAGE,
            command=["sh", "-c", script, "correct-horse"],
            deferrable=False,
            poll_interval=0.1,
            **arguments,
        )

    return FakeTask(make)


def extracted(task: FakeTask, state: TaskInstanceState = TaskInstanceState.SUCCESS) -> Any:
    """Return what OpenLineage's provider gets from the operator that has run last."""
    operator = task.operator
    operator.dag = None
    run = SimpleNamespace(run_id="manual__2026")
    return ExtractorManager().extract_metadata(
        run, operator, task_instance_state=state, task_instance=task.ti
    )


def facet(metadata: Any) -> dict[str, Any]:
    return dict(json.loads(Serde.to_json(metadata.run_facets["canfar_sessions"])))


def test_a_task_that_succeeded_tells_of_its_image_and_its_replicas(platform: Emulator) -> None:
    stars = task("true", replicas=3, cores=1, ram=2)
    stars.run()
    told = facet(extracted(stars))
    assert told["image"] == IMAGE
    assert (told["program"], told["arguments"]) == ("sh", 3)
    assert (told["cores"], told["ram"]) == (1, 2)
    assert (told["replicas"], told["succeeded"], told["failed"]) == (3, 3, 0)
    assert [one["status"] for one in told["sessions"]] == ["Completed"] * 3
    assert {one["id"] for one in told["sessions"]} == {one["id"] for one in platform.all_sessions()}


def test_a_task_that_failed_tells_first_of_the_sessions_that_failed(platform: Emulator) -> None:
    stars = task("exit $((REPLICA_ID - 1))", replicas=2)
    with pytest.raises(SessionFailed):
        stars.run()
    told = facet(extracted(stars, TaskInstanceState.FAILED))
    assert (told["succeeded"], told["failed"]) == (1, 1)
    assert [(one["replica"], one["status"]) for one in told["sessions"]] == [(2, "Failed"), (1, "Completed")]


def test_no_argument_and_no_value_of_a_variable_is_told(platform: Emulator) -> None:
    stars = task("true", env={"TOKEN": "sesame-opens-doors"})
    stars.run()
    metadata = extracted(stars)
    assert facet(metadata)["environment"] == ["TOKEN"]
    for secret in ("correct-horse", "sesame-opens-doors", platform.token):
        assert secret not in Serde.to_json(metadata.run_facets["canfar_sessions"])


def test_arc_paths_and_assets_are_inputs_and_outputs(platform: Emulator) -> None:
    stars = task(
        "true",
        inlets=[
            ObjectStoragePath("arc://canfar_default@home/jdoe/field.fits"),
            "arc://home/jdoe/flat.fits",
            "a note",
        ],
        outlets=[Asset("arc://home/jdoe/stars.csv")],
    )
    stars.run()
    metadata = extracted(stars)
    assert [(one.namespace, one.name) for one in metadata.inputs] == [
        (ARC, "/home/jdoe/field.fits"),
        (ARC, "/home/jdoe/flat.fits"),
    ]
    assert [(one.namespace, one.name) for one in metadata.outputs] == [(ARC, "/home/jdoe/stars.csv")]


def test_a_task_that_never_came_to_its_sessions_tells_of_its_files_alone() -> None:
    stars = task("true", inlets=["arc://home/jdoe/flat.fits"])
    metadata = extracted(stars, TaskInstanceState.FAILED)
    assert metadata.run_facets == {}
    assert [one.name for one in metadata.inputs] == ["/home/jdoe/flat.fits"]
