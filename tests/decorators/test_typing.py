"""Type checkers know each argument that there is, and no other."""

from __future__ import annotations

import importlib.util
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import BaseOperator, BaseSensorOperator
from airflow.sdk import task as task_of_airflow

from airflow_provider_canfar.decorators import task
from airflow_provider_canfar.operators import _task_arguments as arguments
from airflow_provider_canfar.operators._session_arguments import COMMAND_ARGUMENTS
from airflow_provider_canfar.operators.cleanup import CanfarCleanupOperator
from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator
from airflow_provider_canfar.sensors._base import CanfarBaseSensor

USERS_DAG = Path(__file__).parent / "users_dag.py"


def names_of(cls: type) -> set[str]:
    """Return the arguments that a class takes by name."""
    parameters: Any = inspect.signature(cls.__init__).parameters.values()  # type: ignore[misc]  # of a class
    return {one.name for one in parameters if one.name != "self" and one.kind is one.KEYWORD_ONLY}


@pytest.mark.skipif("retry_policy" not in names_of(BaseOperator), reason="not the newest Airflow's arguments")
def test_the_arguments_of_airflow_are_those_of_its_classes() -> None:
    assert set(arguments.TaskArguments.__annotations__) == names_of(BaseOperator)
    sensor = names_of(BaseOperator) | names_of(BaseSensorOperator) | names_of(CanfarBaseSensor)
    assert set(arguments.SensorArguments.__annotations__) == sensor


def test_a_decorator_takes_what_the_operator_takes_without_its_command() -> None:
    own = set(arguments.CommandFunctionArguments.__annotations__)
    own -= set(arguments.DecoratorArguments.__annotations__)
    operator = names_of(CanfarHeadlessOperator) - set(COMMAND_ARGUMENTS)
    assert own - {"task_id", "on_failure_fail_dagrun"} == operator


def test_the_sessions_of_a_run_are_destroyed_with_what_cleanup_takes_besides_a_choice() -> None:
    own = set(arguments.RunCleanupArguments.__annotations__) - set(arguments.TaskArguments.__annotations__)
    assert own == names_of(CanfarCleanupOperator) - {"of_this_run", "ids", "prefix", "regex"}


def test_the_task_of_the_decorators_is_airflow_s_own() -> None:
    assert task is task_of_airflow


@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed")
def test_mypy_strict_refuses_unknown_arguments_in_a_user_s_dag(tmp_path: Path) -> None:
    """Outside this repository, where only ``py.typed`` says that the package has types."""
    wrong = [
        number
        for number, line in enumerate(USERS_DAG.read_text().splitlines(), 1)
        if "# type: ignore" in line
    ]
    dag = tmp_path / "survey.py"
    dag.write_text(USERS_DAG.read_text().replace("# type: ignore", "#"))
    ended = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--hide-error-context", dag.name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    reported = {line.split(":")[1] for line in ended.stdout.splitlines() if ": error:" in line}
    assert reported == {str(number) for number in wrong}, ended.stdout + ended.stderr
