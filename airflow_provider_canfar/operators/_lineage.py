"""Lineage for OpenLineage, where its provider is installed: what ran, and the files that a task names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_provider_canfar.operators._task_runner import TaskRunner


class LineageMixin:
    """Tells OpenLineage of a task's sessions. Its provider looks for the method by name."""

    #: What ran the last phase of this task in this process.
    _last_runner: TaskRunner | None = None

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any] | None:
        """Return the sessions of a task that has ended or failed, and the files in its inlets and outlets.

        :param task_instance: not needed.
        """
        try:
            from airflow_provider_canfar.operators._lineage_facets import operator_lineage
        except ImportError:  # The provider is not installed, or is another one than we know.
            return None
        runner = self._last_runner
        return operator_lineage(self, None if runner is None else runner.lineage())
