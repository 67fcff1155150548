"""A task's sessions and files in OpenLineage's own classes. Importing this needs its provider."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from airflow.providers.openlineage.extractors import OperatorLineage
from airflow.providers.openlineage.extractors.manager import ExtractorManager
from attrs import define
from openlineage.client.event_v2 import Dataset
from openlineage.client.facet_v2 import RunFacet

from airflow_provider_canfar.fs.assets import LINEAGE_NAMESPACE
from airflow_provider_canfar.skaha.storage.names import node_path

#: The facet's key among those of a run.
FACET = "canfar_sessions"


@define
class CanfarSessionsRunFacet(RunFacet):
    """The sessions of one try of a task, as :func:`~.task_sessions.lineage.lineage_of` describes them."""

    image: str
    kind: str
    program: str | None
    arguments: int | None
    environment: list[str]
    cores: float | None
    ram: float | None
    gpus: int | None
    replicas: int
    succeeded: int
    failed: int
    sessions: list[dict[str, Any]]


def operator_lineage(task: Any, sessions: dict[str, Any] | None) -> OperatorLineage[Any, Any]:
    """Return what OpenLineage is told of a task.

    :param task: the operator; Airflow lets everything stand in its inlets and outlets.
    :param sessions: what is told of its sessions; None if it had none.
    """
    return OperatorLineage(
        inputs=_datasets(task.inlets),
        outputs=_datasets(task.outlets),
        run_facets={} if sessions is None else {FACET: CanfarSessionsRunFacet(**sessions)},
    )


def _datasets(items: Iterable[Any]) -> list[Dataset]:
    """Return the datasets that OpenLineage's provider would find by itself, and those of ``arc://`` files."""
    found = (_arc_file(item) or ExtractorManager.convert_to_ol_dataset(item) for item in items)
    return [dataset for dataset in found if dataset is not None]


def _arc_file(item: Any) -> Dataset | None:
    """Return the dataset of an ``arc://`` path, URL or asset; the provider of Airflow 3.1 skips assets."""
    location = getattr(item, "uri", item)
    is_path = isinstance(location, str) or getattr(location, "protocol", None) == "arc"
    if is_path and str(location).startswith("arc:"):
        return Dataset(namespace=LINEAGE_NAMESPACE, name=node_path(str(location)))
    return None
