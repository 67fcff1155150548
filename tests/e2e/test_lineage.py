"""A real Airflow tells OpenLineage of a task's sessions when the task has ended."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from dev.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from dev.airflow_rest import AirflowRest

pytest.importorskip("airflow.providers.openlineage")

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(400)]

ARC = "vos://cadc.nrc.ca~arc"


def event_of(lineage_events: Path, run_id: str, kind: str) -> dict[str, Any] | None:
    """Return the event of the task's end, once there is one."""
    lines = lineage_events.read_text().splitlines() if lineage_events.exists() else []
    for event in map(json.loads, lines):
        run = event["run"]["facets"].get("airflow", {}).get("dagRun", {}).get("run_id")
        if (event["job"]["name"], run, event["eventType"]) == ("lineage.stars", run_id, kind):
            return dict(event)
    return None


@pytest.mark.parametrize(
    ("script", "state", "kind", "counts"),
    [("true", "success", "COMPLETE", (2, 0)), ("exit $((REPLICA_ID - 1))", "failed", "FAIL", (1, 1))],
)
def test_the_event_of_a_task_s_end_has_its_sessions_and_its_files(
    airflow: AirflowRest, lineage_events: Path, script: str, state: str, kind: str, counts: tuple[int, int]
) -> None:
    run = airflow.trigger("lineage", {"script": script})
    assert run.wait(timeout=120) == state, run.states()
    event = wait_until(
        lambda: event_of(lineage_events, run.run_id, kind), description="the event", timeout=60
    )
    assert event is not None
    sessions = event["run"]["facets"]["canfar_sessions"]
    assert (sessions["succeeded"], sessions["failed"]) == counts
    assert sessions["image"] == "images.canfar.net/skaha/astroml:24.07"
    assert [(one["namespace"], one["name"]) for one in event["inputs"]] == [(ARC, "/home/jdoe/field.fits")]
    assert [(one["namespace"], one["name"]) for one in event["outputs"]] == [(ARC, "/home/jdoe/stars.csv")]
    assert "sesame-opens-doors" not in json.dumps(event)
    assert "correct-horse" not in json.dumps(sessions)
