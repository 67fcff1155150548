"""The buttons in a task's page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
from airflow_provider_canfar.plugin.sessions_page import task_tab_url
from airflow_provider_canfar.skaha.naming import Identity
from airflow_provider_canfar.task_sessions.batch import AssignedSession, Batch, Outcome
from airflow_provider_canfar.task_sessions.session_xcoms import sessions_to_json
from airflow_provider_canfar.testing import CONNECTION_VARIABLE
from tests.airflow_versions import DagSerialization, TaskInstanceKey

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

SERVICE = "https://ws-uv.canfar.net/skaha/v1"
PAGE = "https://ws-uv.canfar.net/session/notebook/k3v9x2qa/"
TI_KEY = TaskInstanceKey("survey", "stars", "manual__2026-03-04T18:22:10+00:00", 1, -1)
TAB = "dags/survey/runs/manual__2026-03-04T18:22:10+00:00/tasks/stars/plugin/canfar-sessions"


Pushed = dict[str, Any]


@pytest.fixture(name="pushed")
def _pushed(monkeypatch: pytest.MonkeyPatch) -> Pushed:
    """Return the XComs of the task, to be filled."""
    pushed: Pushed = {}
    monkeypatch.setattr(XCom, "get_value", lambda *, ti_key, key: pushed.get(key))
    return pushed


def open_session() -> str:
    task = CanfarHeadlessOperator(task_id="stars", image="skaha/astroml:24.07", command=["true"])
    return OpenSessionLink().get_link(task, ti_key=TI_KEY)


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
def test_where_the_tab_is_off_the_button_opens_the_first_session_that_has_failed_or_else_the_first(
    pushed: Pushed, monkeypatch: pytest.MonkeyPatch, sessions: list[Any], opened: str
) -> None:
    monkeypatch.setenv("AIRFLOW__CANFAR__SESSIONS_PAGE", "False")
    pushed.update(sessions=sessions, service_url=SERVICE)
    assert open_session() == opened


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


@pytest.mark.parametrize(
    ("sessions", "opened"),
    [
        (None, ""),
        ([], ""),
        ([row("a", url=PAGE)], PAGE),
        ([row("a")], f"{SERVICE}/session/a?view=logs"),
        ([row("a", succeeded=False), row("b")], f"https://airflow.example/below/{TAB}"),
    ],
)
def test_the_button_opens_the_only_session_or_the_tab_with_all_of_them(
    pushed: Pushed, monkeypatch: pytest.MonkeyPatch, sessions: Any, opened: str
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example/below/")
    pushed.update(sessions=sessions, service_url=sessions and SERVICE)
    assert open_session() == opened


def test_the_tab_s_address_quotes_ids_as_airflow_s_own_links_do() -> None:
    """With a quoted colon, Airflow shows the tab and does not highlight it."""
    url = task_tab_url(TI_KEY._replace(dag_id="étoiles", run_id="a b?#/:+~"))
    assert url is not None
    assert url.endswith("/dags/%C3%A9toiles/runs/a%20b%3F%23%2F:+~/tasks/stars/plugin/canfar-sessions")


@pytest.mark.parametrize(("map_index", "mapped"), [(-1, ""), (0, "/mapped/0"), (7, "/mapped/7")])
def test_a_mapped_task_has_a_tab_of_its_own(map_index: int, mapped: str) -> None:
    url = task_tab_url(TI_KEY._replace(map_index=map_index))
    assert url is not None
    assert url.endswith("/" + TAB.replace("/plugin", f"{mapped}/plugin"))


def test_an_invalid_connection_makes_no_button_and_no_second_error(
    operator: BaseOperator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CONNECTION_VARIABLE, '{"conn_type": "canfar"}')
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
