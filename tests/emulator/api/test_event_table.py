"""The table of a pod's events."""

from __future__ import annotations

from airflow_provider_canfar.emulator.api.event_table import event_table
from airflow_provider_canfar.emulator.faults.pod_faults import EventFormat
from airflow_provider_canfar.emulator.runtime.sessions import Event


def test_a_pod_without_events_has_none() -> None:
    assert event_table([]) == "<none>\n"
    assert event_table([], EventFormat(line_above="above", column="COUNT", line_ending="\r\n")) == (
        "above\r\n<none>\r\n"
    )


def test_the_table_has_kubectl_s_columns() -> None:
    events = [Event("Normal", "Scheduled", "Assigned", None), Event("Warning", "Failed", "No", 0.0)]
    assert event_table(events) == (
        "TYPE      REASON      MESSAGE    FIRST-TIME             LAST-TIME\n"
        "Normal    Scheduled   Assigned   <none>                 <none>\n"
        "Warning   Failed      No         1970-01-01T00:00:00Z   1970-01-01T00:00:00Z\n"
    )
