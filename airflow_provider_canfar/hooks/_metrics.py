"""Metrics, sent through Airflow's own stats: to StatsD, Datadog or OpenTelemetry, as its [metrics] say."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from airflow_provider_canfar.hooks._airflow_compat import airflow_stats
from airflow_provider_canfar.skaha.metrics import Metric, MetricKind

log = logging.getLogger(__name__)


class AirflowMetrics:
    """Sends metrics with the id of a connection as a tag, and nothing else that a person has named.

    :param conn_id: the Airflow connection.
    :param stats: returns what sends them; it is called when there is something to send.
    """

    def __init__(self, conn_id: str, stats: Callable[[], Any] = airflow_stats) -> None:
        self._tags = {"canfar_conn_id": conn_id}
        self._stats = stats

    def send(self, metric: Metric, value: float = 1) -> None:
        """Send one value; what goes wrong with it is not the task's failure."""
        try:
            stats = self._stats()
            match metric.kind:
                case MetricKind.COUNTER if not value:
                    pass
                case MetricKind.COUNTER:
                    stats.incr(metric.key, int(value), tags=self._tags)
                case MetricKind.TIMER:
                    stats.timing(metric.key, timedelta(seconds=value), tags=self._tags)
                case MetricKind.GAUGE:
                    # Each process has a value of its own, as Airflow's triggers.running has.
                    stats.gauge(metric.key, value, tags=self._tags | {"hostname": socket.gethostname()})
        except Exception:  # Whatever it is: a metric is never a reason for a task to fail.
            log.debug("Could not send the metric %s.", metric.key, exc_info=True)
