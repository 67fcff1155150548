"""TaskFlow decorators: Python functions that run on the platform.

Airflow provides them as ``@task.canfar`` and ``@task.canfar_cmd``; the functions here are the same. ``task``
is Airflow's own; imported from here, type checkers and editors know the two decorators and their arguments::

    from airflow_provider_canfar.decorators import task
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_canfar.decorators.headless import canfar_cmd_task, canfar_task

if TYPE_CHECKING:
    from airflow_provider_canfar.decorators._task_attributes import TaskDecorators

    task: TaskDecorators
else:
    from airflow.sdk import task

__all__ = ["canfar_cmd_task", "canfar_task", "task"]
