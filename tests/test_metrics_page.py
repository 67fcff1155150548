"""docs/metrics.md lists what the code sends, and the alerts and the dashboard ask for nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path

from airflow_provider_canfar.skaha.metrics import Metric, MetricKind

DOCS = Path(__file__).parent.parent / "docs"
PAGE = (DOCS / "metrics.md").read_text()
DASHBOARD = json.loads((DOCS / "metrics-dashboard.json").read_text())


def exported_name(metric: Metric) -> str:
    """Return the name that statsd_exporter makes of a metric without a mapping."""
    return f"airflow.{metric.key}".replace(".", "_")


def exported_names() -> set[str]:
    """Return the series: a summary also has a sum and a count."""
    timers = [exported_name(metric) for metric in Metric if metric.kind is MetricKind.TIMER]
    return {
        *map(exported_name, Metric),
        *(f"{timer}{suffix}" for timer in timers for suffix in ("_sum", "_count")),
    }


def test_the_page_lists_each_metric_with_its_kind_and_no_other() -> None:
    listed = re.findall(r"^\| `(canfar\.[a-z_.]+)` \| (\w+) \|", PAGE, re.MULTILINE)
    assert listed == [(metric.key, metric.kind.value) for metric in Metric]


def test_no_name_is_the_beginning_of_another() -> None:
    """Where names are a tree, a node cannot also be a leaf."""
    keys = [metric.key for metric in Metric]
    assert not [key for key in keys if any(other.startswith(f"{key}.") for other in keys)]


def test_the_page_names_only_series_that_exist() -> None:
    assert set(re.findall(r"airflow_canfar_\w+", PAGE)) <= exported_names()


def test_the_dashboard_shows_each_metric_and_names_only_series_that_exist() -> None:
    expressions = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    named = {name for expression in expressions for name in re.findall(r"airflow_canfar_\w+", expression)}
    assert named <= exported_names()
    assert not [
        metric for metric in Metric if not any(one.startswith(exported_name(metric)) for one in named)
    ]


def test_each_panel_of_the_dashboard_has_a_place_of_its_own_and_a_data_source_to_choose() -> None:
    panels = DASHBOARD["panels"]
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}) == len(panels)
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert {panel["datasource"]["uid"] for panel in panels} == {"${datasource}"}
