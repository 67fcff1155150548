"""The buttons in a task's page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from airflow.sdk import DAG
from airflow.sdk.execution_time.xcom import XCom

from airflow_provider_canfar.get_provider_info import get_provider_info
from airflow_provider_canfar.links import (
    OpenSessionLink,
    SciencePortalLink,
    portal_url,
    session_url,
)
from airflow_provider_canfar.operators.cleanup import CanfarCleanupOperator
from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator
from airflow_provider_canfar.operators.interactive import CanfarInteractiveOperator
from airflow_provider_canfar.skaha.naming import Identity
from airflow_provider_canfar.task_sessions.batch import AssignedSession, Batch, Outcome
from airflow_provider_canfar.task_sessions.session_xcoms import sessions_to_json
from airflow_provider_canfar.testing import CONNECTION_VARIABLE
from tests.airflow_versions import DagSerialization

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

SERVICE = "https://ws-uv.canfar.net/skaha/v1"
PAGE = "https://ws-uv.canfar.net/session/notebook/k3v9x2qa/"
TI_KEY = cast("TaskInstanceKey", object())


def row(session_id: str, **more: Any) -> dict[str, Any]:
    return {"session_id": session_id, "name": "stars", "replica": 1, **more}


@pytest.mark.parametrize(
    ("sessions", "opened"),
    [
        ([row("a", url=PAGE)], PAGE),
        ([row("a", url=None)], f"{SERVICE}/session/a?view=logs"),
        ([row("a"), row("b")], f"{SERVICE}/session/a?view=logs"),
        (
            [row("a", succeeded=True), row("b", succeeded=None), row("c", succeeded=False)],
            f"{SERVICE}/session/c?view=logs",
        ),
    ],
)
def test_the_button_opens_the_first_session_that_has_failed_or_else_the_first(
    sessions: list[Any], opened: str
) -> None:
    assert session_url(sessions, SERVICE) == opened


def test_the_button_knows_from_xcom_which_session_has_failed() -> None:
    launched = {number: AssignedSession(f"s000000{number}", f"stars-{number}") for number in (1, 2, 3)}
    outcomes = {
        number: Outcome(number, launched[number].session_id, "stars", status, succeeded, 1)
        for number, status, succeeded in [(1, "Completed", True), (2, "Failed", False)]
    }
    batch = Batch(Identity("stars", "k3v5x2qamd", 0), 1, 3, launched=launched, outcomes=outcomes)
    pushed = sessions_to_json(batch)
    assert [one["status"] for one in pushed] == ["Completed", "Failed", None]
    assert session_url(pushed, SERVICE) == f"{SERVICE}/session/s0000002?view=logs"


@pytest.mark.parametrize(
    ("service", "portal"),
    [
        (SERVICE, "https://www.canfar.net/science-portal/"),
        ("https://src.canfar.net/skaha/v1", "https://src.canfar.net/science-portal/"),
        ("http://127.0.0.1:8099/skaha/v1", "http://127.0.0.1:8099/"),
    ],
)
def test_each_platform_has_its_portal(service: str, portal: str) -> None:
    assert portal_url(service) == portal


@pytest.fixture(name="operator")
def _operator(monkeypatch: pytest.MonkeyPatch) -> BaseOperator:
    monkeypatch.setenv(CONNECTION_VARIABLE, '{"conn_type": "canfar", "password": "t"}')
    return CanfarHeadlessOperator(task_id="stars", image="skaha/astroml:24.07", command=["true"])


@pytest.mark.parametrize(("pushed", "opened"), [(None, ""), ([], ""), ([row("a", url=PAGE)], PAGE)])
def test_the_button_opens_the_task_s_session_once_there_is_one(
    operator: BaseOperator, monkeypatch: pytest.MonkeyPatch, pushed: Any, opened: str
) -> None:
    monkeypatch.setattr(XCom, "get_value", lambda *, ti_key, key: pushed if key == "sessions" else None)
    assert OpenSessionLink().get_link(operator, ti_key=TI_KEY) == opened


def test_an_invalid_connection_makes_no_button_and_no_second_error(
    operator: BaseOperator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(XCom, "get_value", lambda *, ti_key, key: [row("a")])
    monkeypatch.setenv(CONNECTION_VARIABLE, '{"conn_type": "canfar"}')
    assert OpenSessionLink().get_link(operator, ti_key=TI_KEY) == ""
    assert SciencePortalLink().get_link(operator, ti_key=TI_KEY) == ""


def test_airflow_finds_the_links_of_each_operator_in_a_stored_dag() -> None:
    with DAG("survey", schedule=None) as dag:
        CanfarHeadlessOperator(task_id="stars", image="skaha/astroml:24.07", command=["true"])
        CanfarInteractiveOperator(task_id="inspect", image="skaha/astroml:24.07")
        CanfarCleanupOperator(task_id="tidy", prefix="survey-")
        CanfarHeadlessOperator.partial(task_id="tiles", image="skaha/astroml:24.07").expand(
            command=[["true"]]
        )
    stored = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
    both = ["Open session", "Science Portal"]
    links = {task_id: sorted(task.extra_links) for task_id, task in stored.task_dict.items()}
    assert links == {"stars": both, "inspect": both, "tiles": both, "tidy": ["Science Portal"]}


def test_the_links_are_declared() -> None:
    declared = {path.rpartition(".")[2] for path in get_provider_info()["extra-links"]}
    assert declared == {"OpenSessionLink", "SciencePortalLink"}
