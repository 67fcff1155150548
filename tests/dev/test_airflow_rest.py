from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from dev.airflow_rest import AirflowRest, Run


def airflow_that_answers(answers: Mapping[str, Any]) -> AirflowRest:
    """Make an Airflow that answers with JSON by path, and otherwise with 404."""

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v2")
        if path in answers:
            return httpx.Response(200, json=answers[path])
        return httpx.Response(404, json={"detail": f"There is no {path}"})

    return AirflowRest("http://airflow", transport=httpx.MockTransport(answer))


def test_a_log_is_its_lines_and_the_causes_of_its_errors() -> None:
    content = [
        {"event": "Replica 1 is e2e-1.\nReplica 2 is e2e-2."},
        {
            "event": "Task failed",
            "error_detail": [{"exc_type": "SessionFailed", "exc_value": "2 of 2\nfailed"}],
        },
    ]
    airflow = airflow_that_answers({"/dags/d/dagRuns/r/taskInstances/t/logs/1": {"content": content}})
    assert Run(airflow, "d", "r").log("t") == [
        "Replica 1 is e2e-1.",
        "Replica 2 is e2e-2.",
        "Task failed",
        "SessionFailed: 2 of 2",
        "failed",
    ]


def test_tasks_come_in_the_order_in_which_they_started() -> None:
    found = [
        {"task_id": "merge", "map_index": -1, "state": None, "start_date": None},
        {"task_id": "detect", "map_index": 1, "state": "deferred", "start_date": "2026-11-23T12:00:02Z"},
        {"task_id": "list", "map_index": -1, "state": "success", "start_date": "2026-11-23T12:00:01Z"},
    ]
    airflow = airflow_that_answers({"/dags/d/dagRuns/r/taskInstances": {"task_instances": found}})
    states = Run(airflow, "d", "r").states()
    assert list(states.items()) == [("list", "success"), ("detect[1]", "deferred"), ("merge", None)]


def test_a_dag_file_that_cannot_be_imported_is_an_error_at_once() -> None:
    errors = {"import_errors": [{"filename": "stars.py", "stack_trace": "No module named 'astropi'"}]}
    with pytest.raises(ImportError, match="No module named 'astropi'"):
        airflow_that_answers({"/importErrors": errors}).has_dag("stars")


def test_a_dag_is_not_there_when_only_its_namesake_is() -> None:
    answers = {"/importErrors": {"import_errors": []}, "/dags": {"dags": [{"dag_id": "find_stars_too"}]}}
    assert not airflow_that_answers(answers).has_dag("find_stars")


def test_what_airflow_refuses_it_refuses_in_its_own_words() -> None:
    with pytest.raises(httpx.HTTPStatusError) as refusal:
        airflow_that_answers({}).call("GET", "/dags/nothing")
    assert refusal.value.__notes__ == ['{"detail":"There is no /dags/nothing"}']


def test_before_it_listens_nothing_is_known_of_its_health() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    assert AirflowRest("http://airflow", transport=httpx.MockTransport(refuse)).health() == {}


def test_a_runs_page_is_a_link_that_a_browser_takes() -> None:
    run = Run(airflow_that_answers({}), "d", "manual__2026-11-23T12:00:26+00:00")
    assert run.page == "http://airflow/dags/d/runs/manual__2026-11-23T12%3A00%3A26%2B00%3A00"


def test_tasks_are_counted_though_the_api_shows_but_some() -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(dict(request.url.params))
        return httpx.Response(200, json={"task_instances": [{}], "total_entries": 200})

    airflow = AirflowRest("http://airflow", transport=httpx.MockTransport(answer))
    assert Run(airflow, "d", "r").count("deferred") == 200
    assert asked == [{"state": "deferred", "limit": "1"}]


def test_a_connection_is_changed_as_it_was_added() -> None:
    sent = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append((request.method, request.url.path, json.loads(request.content)))
        return httpx.Response(200, json={})

    airflow = AirflowRest("http://airflow", transport=httpx.MockTransport(answer))
    airflow.add_connection("one", conn_type="canfar", extra={"timeout": 5})
    airflow.change_connection("one", conn_type="canfar", extra={"timeout": 5})
    stored = {"connection_id": "one", "conn_type": "canfar", "extra": '{"timeout": 5}'}
    assert sent == [("POST", "/api/v2/connections", stored), ("PATCH", "/api/v2/connections/one", stored)]
