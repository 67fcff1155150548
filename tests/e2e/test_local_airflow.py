"""The local Airflow that the other end-to-end tests use."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from dev.airflow_rest import AirflowRest
    from dev.local_airflow import LocalAirflow

pytestmark = [pytest.mark.airflow, pytest.mark.long, pytest.mark.timeout(400)]


FOREIGN = [{"Host": "example.org"}, {"Origin": "http://example.org"}, {"Origin": "null"}]


@pytest.mark.parametrize(
    "path", ["/", "/api/v2/connections", "/auth/token", "/execution/health", "/static/x"]
)
def test_pages_of_other_sites_are_refused_everywhere(local_airflow: LocalAirflow, path: str) -> None:
    """It has no login, so a page that has rebound its name to loopback could otherwise do anything."""
    url = local_airflow.url + path
    for headers in FOREIGN:
        for method in ("GET", "POST"):
            response = httpx.request(method, url, headers=headers, timeout=60, trust_env=False)
            assert response.status_code in (403, 421)
            assert "origin" in response.text or "name" in response.text
    own = {"Origin": local_airflow.url}
    assert httpx.get(url, headers=own, timeout=60, trust_env=False).status_code not in (403, 421)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_triggerer_restarts_on_the_same_port(
    airflow: AirflowRest, local_airflow: LocalAirflow, number: signal.Signals
) -> None:
    """kill_component also kills its log server, which would outlive a killed triggerer."""
    local_airflow.kill_component("triggerer", number)
    local_airflow.start_component("triggerer")
    run = airflow.trigger("sessions", {"replicas": 2})
    assert run.wait(timeout=90) == "success"
    local_airflow.wait_until_healthy()
    assert "address already in use" not in local_airflow.last_lines()


def test_a_second_triggerer_works_while_the_first_one_is_stopped(
    airflow: AirflowRest, local_airflow: LocalAirflow
) -> None:
    local_airflow.start_component("second triggerer", "triggerer", "--skip-serve-logs")
    local_airflow.signal_component("triggerer", signal.SIGSTOP)
    try:
        run = airflow.trigger("sessions", {"replicas": 2})
        assert run.wait(timeout=120) == "success"
    finally:
        local_airflow.signal_component("triggerer", signal.SIGCONT)
        local_airflow.kill_component("second triggerer", signal.SIGTERM)
    local_airflow.wait_until_healthy()
