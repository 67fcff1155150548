"""The table of all metrics, and the protocol of what sends them. Pure: a client gets its sender injected.

``hooks/_metrics.py`` sends them to Airflow's own stats. docs/metrics.md lists them.
"""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import Protocol


class MetricKind(StrEnum):
    """How values of a metric add up, in StatsD's words."""

    COUNTER = "counter"
    GAUGE = "gauge"
    #: In seconds.
    TIMER = "timer"


class Metric(Enum):
    """Everything that is measured: the name under which it is sent, and its kind."""

    # Sessions
    SESSIONS_LAUNCHED = "canfar.sessions.launched", MetricKind.COUNTER
    SESSIONS_ADOPTED = "canfar.sessions.adopted", MetricKind.COUNTER
    SESSIONS_SUCCEEDED = "canfar.sessions.succeeded", MetricKind.COUNTER
    SESSIONS_FAILED = "canfar.sessions.failed", MetricKind.COUNTER
    SESSIONS_DESTROYED = "canfar.sessions.destroyed", MetricKind.COUNTER
    RECORD_DELAY = "canfar.sessions.record_delay", MetricKind.TIMER
    CREATES_LOST = "canfar.creates.lost", MetricKind.COUNTER
    CREATES_FOUND = "canfar.creates.found", MetricKind.COUNTER
    # The shared poll
    POLLS_SUCCEEDED = "canfar.polls.succeeded", MetricKind.COUNTER
    POLLS_FAILED = "canfar.polls.failed", MetricKind.COUNTER
    POLL_BYTES = "canfar.polls.bytes", MetricKind.COUNTER
    POLL_DURATION = "canfar.polls.duration", MetricKind.TIMER
    WAITING = "canfar.polls.waiting", MetricKind.GAUGE
    OUTAGES_STARTED = "canfar.outages.started", MetricKind.COUNTER
    OUTAGE_DURATION = "canfar.outages.duration", MetricKind.TIMER

    def __init__(self, key: str, kind: MetricKind) -> None:
        self.key = key
        self.kind = kind


class Metrics(Protocol):
    """Sends metrics on. It never raises and never waits: it is called on event loops."""

    def send(self, metric: Metric, value: float = 1) -> None:
        """Send one value.

        :param value: what to add to a counter, the new value of a gauge, or the seconds of a timer.
        """


class NoMetrics:
    """Sends nothing."""

    def send(self, metric: Metric, value: float = 1) -> None:
        """Send nothing."""


NO_METRICS = NoMetrics()
