"""Metrics that a test reads."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.metrics import Metric


class SentMetrics:
    """What has been sent, by metric."""

    def __init__(self) -> None:
        self.values: dict[Metric, list[float]] = defaultdict(list)

    def send(self, metric: Metric, value: float = 1) -> None:
        """Note a value."""
        self.values[metric].append(value)

    def total(self, metric: Metric) -> float:
        """Return what a counter has come to."""
        return sum(self.values[metric])
