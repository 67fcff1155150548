from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from dev.airflow_rest import AirflowRest, Run


def fake_airflow(responses: Mapping[str, Any]) -> AirflowRest:
    """Make a client whose server responds with JSON by path, and with 404 to anything else."""

    def respond(request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v2")
        if path in responses:
            return httpx.Response(200, json=responses[path])
        return httpx.Response(404, json={"detail": f"There is no {path}"})

    return AirflowRest("http://airflow", transport=httpx.MockTransport(respond))


def test_an_api_server_serves_workers_once_their_api_answers() -> None:
    assert fake_airflow({"/execution/health": {"status": "healthy"}}).serves_workers()
    assert not fake_airflow({}).serves_workers()


def test_an_api_server_that_does_not_answer_serves_no_workers() -> None:
    def hang(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("timed out")

    assert not AirflowRest("http://airflow", transport=httpx.MockTransport(hang)).serves_workers()


def test_a_log_has_its_messages_lines_and_the_causes_of_errors() -> None:
    content = [
        {"event": "Replica 1 is e2e-1.\nReplica 2 is e2e-2."},
        {
            "event": "Task failed",
            "error_detail": [{"exc_type": "SessionFailed", "exc_value": "2 of 2\nfailed"}],
        },
    ]
    airflow = fake_airflow({"/dags/d/dagRuns/r/taskInstances/t/logs/1": {"content": content}})
    assert Run(airflow, "d", "r").log("t") == [
        "Replica 1 is e2e-1.",
        "Replica 2 is e2e-2.",
        "Task failed",
        "SessionFailed: 2 of 2",
        "failed",
    ]


def test_tasks_are_sorted_by_their_start() -> None:
    found = [
        {"task_id": "merge", "map_index": -1, "state": None, "start_date": None},
        {"task_id": "detect", "map_index": 1, "state": "deferred", "start_date": "2026-11-23T12:00:02Z"},
        {"task_id": "list", "map_index": -1, "state": "success", "start_date": "2026-11-23T12:00:01Z"},
    ]
    airflow = fake_airflow({"/dags/d/dagRuns/r/taskInstances": {"task_instances": found}})
    states = Run(airflow, "d", "r").states()
    assert list(states.items()) == [("list", "success"), ("detect[1]", "deferred"), ("merge", None)]


def test_a_dag_file_that_cannot_be_imported_raises_at_once() -> None:
    errors = {"import_errors": [{"filename": "stars.py", "stack_trace": "No module named 'astropi'"}]}
    with pytest.raises(ImportError, match="No module named 'astropi'"):
        fake_airflow({"/importErrors": errors}).has_dag("stars")


def test_has_dag_does_not_confuse_dags_with_a_common_prefix() -> None:
    responses = {"/importErrors": {"import_errors": []}, "/dags": {"dags": [{"dag_id": "find_stars_too"}]}}
    assert not fake_airflow(responses).has_dag("find_stars")


def test_a_rejected_request_raises_with_the_response_as_a_note() -> None:
    with pytest.raises(httpx.HTTPStatusError) as refusal:
        fake_airflow({}).request("GET", "/dags/nothing")
    assert refusal.value.__notes__ == ['{"detail":"There is no /dags/nothing"}']


def test_health_is_empty_while_airflow_does_not_listen() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    assert AirflowRest("http://airflow", transport=httpx.MockTransport(refuse)).health() == {}


def test_the_address_of_a_run_s_page_is_quoted_as_airflow_s_own_links_are() -> None:
    run = Run(fake_airflow({}), "d", "manual__2026-11-23T12:00:26+00:00")
    assert run.page_url == "http://airflow/dags/d/runs/manual__2026-11-23T12:00:26+00:00"


def test_count_is_not_limited_to_one_page() -> None:
    queries = []

    def respond(request: httpx.Request) -> httpx.Response:
        queries.append(dict(request.url.params))
        return httpx.Response(200, json={"task_instances": [{}], "total_entries": 200})

    airflow = AirflowRest("http://airflow", transport=httpx.MockTransport(respond))
    assert Run(airflow, "d", "r").count("deferred") == 200
    assert queries == [{"state": "deferred", "limit": "1"}]


def test_add_and_update_send_the_same_connection() -> None:
    sent = []

    def respond(request: httpx.Request) -> httpx.Response:
        sent.append((request.method, request.url.path, json.loads(request.content)))
        return httpx.Response(200, json={})

    airflow = AirflowRest("http://airflow", transport=httpx.MockTransport(respond))
    airflow.add_connection("one", conn_type="canfar", extra={"timeout": 5})
    airflow.update_connection("one", conn_type="canfar", extra={"timeout": 5})
    stored = {"connection_id": "one", "conn_type": "canfar", "extra": '{"timeout": 5}'}
    assert sent == [("POST", "/api/v2/connections", stored), ("PATCH", "/api/v2/connections/one", stored)]


def test_a_broken_file_of_another_bundle_is_no_obstacle() -> None:
    error = {"filename": "mine.py", "bundle_name": "local-dags", "stack_trace": "No module named 'astropi'"}
    responses = {"/importErrors": {"import_errors": [error]}, "/dags": {"dags": [{"dag_id": "stars"}]}}
    airflow = fake_airflow(responses)
    assert airflow.has_dag("stars", bundle="local-example_dags")
    with pytest.raises(ImportError):
        airflow.has_dag("stars", bundle="local-dags")


def test_a_token_is_sent_after_a_login() -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/auth/token":
            assert json.loads(request.content) == {"username": "admin", "password": "sesame"}
            return httpx.Response(201, json={"access_token": "a-jwt"})
        return httpx.Response(200, json={"sent": request.headers.get("authorization")})

    airflow = AirflowRest("http://airflow", transport=httpx.MockTransport(respond))
    assert airflow.request("GET", "/version") == {"sent": None}
    airflow.log_in("admin", "sesame")
    assert airflow.request("GET", "/version") == {"sent": "Bearer a-jwt"}


@pytest.mark.parametrize(("status", "refuses"), [(421, True), (200, False), (401, False), (500, False)])
def test_only_a_misdirected_request_counts_as_a_refused_name(status: int, *, refuses: bool) -> None:
    hosts = []

    def respond(request: httpx.Request) -> httpx.Response:
        hosts.append(request.headers["host"])
        return httpx.Response(status)

    airflow = AirflowRest("http://airflow", transport=httpx.MockTransport(respond))
    assert airflow.refuses_foreign_names() is refuses
    assert hosts == ["example.org"]


def test_a_dag_that_airflow_does_not_know_yet_has_no_runs() -> None:
    assert fake_airflow({}).unfinished_runs("stars") == []
    runs = {"dag_runs": [{"dag_run_id": "one"}]}
    assert [run.run_id for run in fake_airflow({"/dags/d/dagRuns": runs}).unfinished_runs("d")] == ["one"]
