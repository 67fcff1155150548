"""TaskFlow: functions that run on the platform.

Airflow knows them as ``@task.canfar`` and ``@task.canfar_cmd``; imported from here they are the same.
"""

from __future__ import annotations

from airflow_provider_canfar.decorators.headless import canfar_cmd_task, canfar_task

__all__ = ["canfar_cmd_task", "canfar_task"]
