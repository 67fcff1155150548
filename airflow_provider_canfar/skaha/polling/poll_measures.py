"""What is measured of the shared poll."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.metrics import Metric

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.metrics import Metrics


class PollMeasures:
    """Measures polls and outages; times are in seconds since the epoch.

    :param metrics: sends on what is measured.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._outage_since: float | None = None

    def response(self, began: float, at: float, *, size: int, waiting: int) -> None:
        """Measure a poll that the platform responded to.

        :param began: when it began.
        :param at: when the response was there.
        :param size: bytes of the lists.
        :param waiting: how many subscribers were waiting for it.
        """
        send = self._metrics.send
        send(Metric.POLLS_SUCCEEDED)
        send(Metric.POLL_BYTES, size)
        send(Metric.POLL_DURATION, max(0.0, at - began))
        send(Metric.WAITING, waiting)
        if self._outage_since is not None:
            send(Metric.OUTAGE_DURATION, max(0.0, at - self._outage_since))
            self._outage_since = None

    def failure(self, at: float) -> None:
        """Measure a poll that failed; the first one in a row begins an outage."""
        self._metrics.send(Metric.POLLS_FAILED)
        if self._outage_since is None:
            self._outage_since = at
            self._metrics.send(Metric.OUTAGES_STARTED)

    def end(self) -> None:
        """Report that no task waits; a gauge would otherwise keep its last value."""
        self._metrics.send(Metric.WAITING, 0)
