"""Metrics go through Airflow's own stats, with the connection's id, and are never a reason to fail."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_canfar.hooks._airflow_compat import airflow_stats
from airflow_provider_canfar.hooks._metrics import AirflowMetrics
from airflow_provider_canfar.skaha.metrics import Metric

TAGS = {"canfar_conn_id": "canfar_default"}


class Stats:
    """Airflow's stats, which note each call."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def incr(self, stat: str, count: int = 1, *, tags: dict[str, str]) -> None:
        self.calls.append(("incr", stat, count, tags))

    def timing(self, stat: str, dt: timedelta, *, tags: dict[str, str]) -> None:
        self.calls.append(("timing", stat, dt, tags))

    def gauge(self, stat: str, value: float, *, tags: dict[str, str]) -> None:
        assert tags.pop("hostname")
        self.calls.append(("gauge", stat, value, tags))


def sent(metric: Metric, value: float = 1) -> list[tuple[Any, ...]]:
    stats = Stats()
    AirflowMetrics("canfar_default", lambda: stats).send(metric, value)
    return stats.calls


def test_a_counter_is_incremented() -> None:
    assert sent(Metric.SESSIONS_LAUNCHED, 3) == [("incr", "canfar.sessions.launched", 3, TAGS)]


def test_nothing_is_sent_where_there_is_nothing_to_count() -> None:
    assert sent(Metric.SESSIONS_FAILED, 0) == []


def test_a_timer_is_sent_as_a_duration_whose_unit_airflow_knows() -> None:
    assert sent(Metric.POLL_DURATION, 1.5) == [
        ("timing", "canfar.polls.duration", timedelta(seconds=1.5), TAGS)
    ]


def test_a_gauge_tells_which_process_s_value_it_is() -> None:
    assert sent(Metric.WAITING, 0) == [("gauge", "canfar.polls.waiting", 0, TAGS)]


@pytest.mark.parametrize("error", [ImportError("moved again"), OSError("no route to StatsD"), TypeError()])
def test_stats_that_fail_are_no_reason_for_a_task_to_fail(error: Exception) -> None:
    def broken() -> Any:
        raise error

    AirflowMetrics("canfar_default", broken).send(Metric.POLLS_SUCCEEDED)


@pytest.mark.parametrize("metric", Metric)
def test_this_airflow_s_stats_take_each_metric(metric: Metric, caplog: pytest.LogCaptureFixture) -> None:
    airflow_stats()
    with caplog.at_level("DEBUG"):
        AirflowMetrics("canfar_default").send(metric, 2)
    assert "Could not send" not in caplog.text
