"""An Airflow whose readers may not see the tasks of one DAG."""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

HIDDEN_DAG = "hidden"
HIDDEN = (DagAccessEntity.TASK_INSTANCE, DagAccessEntity.TASK_LOGS, DagAccessEntity.XCOM)


class AuthManager(SimpleAuthManager):
    """Refuses to show the task instances, logs and XComs of the DAG *hidden*."""

    def is_authorized_dag(self, **request: Any) -> bool:
        """Return whether a person may do something to a DAG."""
        details = request.get("details")
        if details and details.id == HIDDEN_DAG and request.get("access_entity") in HIDDEN:
            return False
        return super().is_authorized_dag(**request)
