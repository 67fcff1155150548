"""A real Airflow sends the metrics of its worker and of its triggerer to StatsD."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dev.waiting import wait_until

if TYPE_CHECKING:
    from dev.airflow_rest import AirflowRest
    from tests.statsd_listener import StatsdListener

pytest.importorskip("statsd")

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(400)]

PREFIX = "airflow.canfar."


def test_statsd_gets_what_worker_and_triggerer_have_done(
    airflow: AirflowRest, statsd: StatsdListener
) -> None:
    since = len(statsd.lines)
    script = "sleep 12; exit $((REPLICA_ID - 1))"
    run = airflow.trigger("sessions", {"script": script, "replicas": 2})
    assert run.wait(timeout=120) == "failed", run.states()

    def sent() -> dict[str, float]:
        return statsd.totals(PREFIX, since)

    # Of the worker, and of the triggerer.
    expected = {"sessions.launched": 2, "sessions.succeeded": 1, "sessions.failed": 1}
    wait_until(lambda: expected.items() <= sent().items(), description="the worker's metrics", timeout=60)
    assert sent()["polls.succeeded"] > 5
    assert sent()["polls.bytes"] > 1000
    assert sent()["polls.duration"] > 0
    assert 0 < sent()["sessions.record_delay"] < 60_000, "in milliseconds"

    def waiting() -> list[int]:
        gauge = [line for line in statsd.lines[since:] if line.startswith(f"{PREFIX}polls.waiting")]
        return [int(line.rpartition(":")[2].removesuffix("|g")) for line in gauge]

    # Besides the task, the example of an asset trigger waits all the time.
    wait_until(lambda: waiting()[-1] < max(waiting()), description="a poll without the task", timeout=90)


def test_the_connection_is_the_only_name_in_a_metric(airflow: AirflowRest, statsd: StatsdListener) -> None:
    lines = [line for line in statsd.lines if line.startswith(PREFIX)]
    tags = {tag.partition("=")[0] for line in lines for tag in line.rpartition(":")[0].split(",")[1:]}
    assert lines
    assert tags == {"canfar_conn_id", "hostname"}
    assert all(",canfar_conn_id=" in line for line in lines)
