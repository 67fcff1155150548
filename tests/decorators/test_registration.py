"""How Airflow finds the decorators, and what importing them costs."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from airflow.sdk import task

from airflow_provider_canfar import decorators
from airflow_provider_canfar.get_provider_info import get_provider_info

PROBE = """
import json, sys
from airflow.sdk import task
from airflow.sdk.bases import decorator
before = set(sys.modules)
import airflow_provider_canfar.decorators
print(json.dumps(sorted(set(sys.modules) - before)))
"""


@pytest.mark.parametrize("name", ["canfar", "canfar_cmd"])
def test_airflow_s_task_object_has_the_decorators(name: str) -> None:
    assert getattr(task, name) is getattr(decorators, f"{name}_task")


def test_the_metadata_lists_the_decorators() -> None:
    listed = {one["name"]: one["class-name"] for one in get_provider_info()["task-decorators"]}
    package = decorators.__name__
    assert listed == {"canfar": f"{package}.canfar_task", "canfar_cmd": f"{package}.canfar_cmd_task"}


@pytest.mark.parametrize(
    ("decorator", "name"),
    [(decorators.canfar_task, "@task.canfar"), (decorators.canfar_cmd_task, "@task.canfar_cmd")],
)
def test_airflow_shows_a_task_with_its_decorator_s_name(decorator: Any, name: str) -> None:
    def measure() -> None:
        """Say what the task is for."""

    operator = decorator(image="skaha/astroml:24.07")(measure)().operator
    assert operator.operator_name == name
    assert operator.doc_md == measure.__doc__


def test_importing_the_decorators_loads_nothing_heavy() -> None:
    """No client, no models: Airflow parses DAG files all the time."""
    probe = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    loaded = json.loads(probe.stdout.splitlines()[-1])
    assert "airflow_provider_canfar.decorators.headless" in loaded
    heavy = ("httpx", "pydantic", "cryptography", "starlette", "airflow.models", "airflow.triggers")
    assert not [name for name in loaded if name.startswith(heavy)]
    package = "airflow_provider_canfar"
    allowed = (f"{package}.decorators", f"{package}.hooks", f"{package}.links", f"{package}.operators")
    lean = {
        package,
        *(f"{package}.skaha.{name}" for name in ("errors", "log_line", "naming", "secret", "validation")),
        f"{package}.skaha",
    }
    ours = {name for name in loaded if name.startswith(package)}
    assert not {name for name in ours if not name.startswith(allowed)} - lean
