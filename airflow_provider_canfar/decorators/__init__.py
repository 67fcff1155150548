"""TaskFlow decorators: Python functions that run on the platform.

Airflow provides them as ``@task.canfar`` and ``@task.canfar_cmd``; the functions here are the same.
"""

from __future__ import annotations

from airflow_provider_canfar.decorators.headless import canfar_cmd_task, canfar_task

__all__ = ["canfar_cmd_task", "canfar_task"]
