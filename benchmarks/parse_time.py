"""The cost of parsing a DAG file that imports operators, in addition to Airflow's own SDK.

Each import runs in its own process; the figures are medians of CPU time, which does not depend on other load.
Other providers are measured if they can be imported. ``make bench`` adds them temporarily: in ``uv.lock``
they would hold back other packages.
"""

from __future__ import annotations

import importlib.util
import statistics
import subprocess
import sys

ROUNDS = 7

PROBE = """
import sys, time
began = time.process_time()
from airflow.sdk import DAG, BaseHook, BaseOperator, BaseOperatorLink, BaseSensorOperator, PokeReturnValue
sdk, modules = time.process_time() - began, len(sys.modules)
began = time.process_time()
{imports}
print(sdk, time.process_time() - began, len(sys.modules) - modules)
"""

#: Label, imports, and the module that must be installed.
DAG_FILES = (
    (
        "airflow_provider_canfar: headless",
        "from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator",
        "airflow_provider_canfar",
    ),
    (
        "airflow_provider_canfar: operators and sensors",
        (
            "from airflow_provider_canfar.operators import cleanup, headless, interactive\n"
            "from airflow_provider_canfar.sensors import resources, session"
        ),
        "airflow_provider_canfar",
    ),
    (
        "databricks: submit run",
        "from airflow.providers.databricks.operators.databricks import DatabricksSubmitRunOperator",
        "airflow.providers.databricks",
    ),
    (
        "cncf.kubernetes: pod",
        "from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator",
        "airflow.providers.cncf.kubernetes",
    ),
)


def is_installed(module: str) -> bool:
    """Return whether a module is installed, without importing it."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def parse(imports: str) -> tuple[float, float, int]:
    """Return the CPU seconds of the SDK and of the imports, and the number of modules that these load."""
    program = [sys.executable, "-c", PROBE.format(imports=imports)]
    probe = subprocess.run(program, capture_output=True, text=True, check=True)  # noqa: S603 - ours
    sdk, more, modules = probe.stdout.split()[-3:]
    return float(sdk), float(more), int(modules)


def main() -> None:
    """Measure, and print the table."""
    title = f"a DAG file imports (CPU, median of {ROUNDS})"
    print(f"{title:50}{'airflow.sdk, ms':>16}{'added, ms':>13}{'modules':>9}")
    for label, imports, module in DAG_FILES:
        if not is_installed(module):
            print(f"{label:50}{'not installed':>16}")
            continue
        parse(imports)  # Python compiles modules at their first import.
        figures = [parse(imports) for _ in range(ROUNDS)]
        sdk, more = (1000 * statistics.median(one[i] for one in figures) for i in (0, 1))
        print(f"{label:50}{sdk:16.0f}{more:13.1f}{figures[0][2]:9}")


if __name__ == "__main__":
    main()
