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

#: What a DAG file imports, and what those import at once.
IN_DAG_FILES = ("operators.headless", "operators.interactive", "operators.cleanup", "sensors.session")
ALONG_WITH_THEM = (
    "hooks",
    "links",
    "sensors",
    "operators._arguments",
    "operators._base",
    "operators._errors",
    "operators._work",
    "operators._carried_spec",
    "operators._selection_arguments",
    "skaha.errors",
    "skaha.validation",
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
    heavy = ("httpx", "pydantic", "cryptography", "starlette", "airflow.models", "airflow.triggers")
    assert not [name for name in answer["loaded"] if name.startswith(heavy)]
