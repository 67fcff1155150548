"""DAG files are parsed all day: importing an operator must cost next to nothing over Airflow itself."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

PACKAGE = "airflow_provider_canfar"

PROBE = """
import json, sys, time
import airflow.sdk
from airflow.sdk import BaseHook, BaseOperator, BaseOperatorLink, BaseSensorOperator, PokeReturnValue
before = set(sys.modules)
start = time.perf_counter()
import {module}
took = time.perf_counter() - start
print(json.dumps({{"took_ms": 1000 * took, "loaded": sorted(set(sys.modules) - before)}}))
"""

HEAVY = (
    *("httpx", "pydantic", "cryptography", "re2", "starlette", "openlineage"),
    *("airflow.models", "airflow.triggers", "airflow.providers.openlineage"),
)

#: What a DAG file imports, and what those import at once.
IN_DAG_FILES = ("operators.headless", "operators.interactive", "operators.cleanup", "sensors.session")
ALONG_WITH_THEM = (
    "hooks",
    "links",
    "sensors",
    "skaha.errors",
    "skaha.log_line",
    "skaha.name_pattern",
    "skaha.naming",
    "skaha.secret",
    "skaha.validation",
    *(
        f"operators._{name}"
        for name in (
            "airflow_api",
            "argument_checks",
            "argument_parsers",
            "base",
            "carried_spec",
            "combinations",
            "deferrable",
            "deferral",
            "environment",
            "errors",
            "in_task",
            "lineage",
            "selection_arguments",
            "session_arguments",
            "text_fields",
            "tries",
            "trigger_failure",
            "work",
        )
    ),
    *IN_DAG_FILES,
)


@pytest.mark.parametrize("module", IN_DAG_FILES)
def test_importing_the_operators_loads_nothing_heavy(module: str) -> None:
    """No client, no models, no emulator, no airflow.models; the time it took is printed, and not judged."""
    program = PROBE.format(module=f"{PACKAGE}.{module}")
    probe = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    answer = json.loads(probe.stdout.splitlines()[-1])
    print(f"importing {module} takes {answer['took_ms']:.1f} ms over airflow.sdk")
    assert f"{PACKAGE}.{module}" in answer["loaded"]
    allowed = tuple(f"{PACKAGE}.{name}" for name in ALONG_WITH_THEM)
    ours = {name for name in answer["loaded"] if name.startswith(f"{PACKAGE}.")}
    assert not {name for name in ours if not name.startswith(allowed)} - {
        f"{PACKAGE}.operators",
        f"{PACKAGE}.skaha",
    }
    assert not [name for name in answer["loaded"] if name.startswith(HEAVY)]


def test_making_an_operator_loads_nothing_heavy_either() -> None:
    """Its literals are checked, by the client's own rules."""
    program = """
import json, sys
import airflow.sdk
from airflow.sdk import DAG, BaseOperator
from airflow.providers.standard.operators.empty import EmptyOperator
with DAG("d"):
    EmptyOperator(task_id="e")
before = set(sys.modules)
from airflow_provider_canfar.operators.cleanup import CanfarCleanupOperator
from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator
from airflow_provider_canfar.operators.interactive import CanfarInteractiveOperator
from airflow_provider_canfar.sensors.resources import CanfarResourceSensor
from airflow_provider_canfar.sensors.session import CanfarSessionSensor
with DAG("dag"):
    CanfarHeadlessOperator(task_id="a", image="a/b:1", command=["echo", "a b"], env={"A": "é = $"})
    CanfarInteractiveOperator(task_id="b", image="a/b:1", keep_alive_for=60)
    CanfarCleanupOperator(task_id="c", prefix="a-", kind="headless", status="Failed", older_than=60)
    CanfarSessionSensor(task_id="d", prefix="a-", started_after="2026-03-04", fail_on="Failed")
    CanfarResourceSensor(task_id="e", cores=1)
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    probe = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = json.loads(probe.stdout.splitlines()[-1])
    assert f"{PACKAGE}.operators.headless" in loaded
    assert not [name for name in loaded if name.startswith(HEAVY)]
