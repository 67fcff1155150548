from __future__ import annotations

import json

import httpx

from dev.airflow_rest import AirflowRest
from dev.stars import DAG, end_earlier_runs


def test_only_runs_that_a_demo_has_started_are_ended() -> None:
    changes: list[tuple[str, str]] = []
    runs = f"/api/v2/dags/{DAG}/dagRuns"

    def respond(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            assert request.url.path == runs
            ids = ("demo__2026-11-26T10-00-00", "manual__2026-11-26T10:00:00+00:00")
            return httpx.Response(200, json={"dag_runs": [{"dag_run_id": one} for one in ids]})
        changes.append((request.url.path, json.loads(request.content)["state"]))
        return httpx.Response(200, json={})

    end_earlier_runs(AirflowRest("http://airflow", transport=httpx.MockTransport(respond)))
    assert changes == [(f"{runs}/demo__2026-11-26T10-00-00", "failed")]
