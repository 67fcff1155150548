"""The TaskFlow version of the demo's DAG, without Airflow and without a platform."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.decorators.image import Image
from tests.m13 import stars_of_m13

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def functions(monkeypatch: pytest.MonkeyPatch, canfar_connection: str) -> dict[str, Any]:
    """Import the DAG, and return the functions of its tasks by name, as if a task ran them."""
    monkeypatch.syspath_prepend(ROOT / "example_dags")
    module = importlib.import_module("find_stars_taskflow")
    context = {"params": {"folder": None}, "run_id": "manual__2026-11-26T10:00:00+00:00"}
    monkeypatch.setattr(module, "get_current_context", lambda: context)
    monkeypatch.setattr("airflow_provider_canfar.fs.paths._in_task", lambda: True)
    dag = module.find_stars_taskflow()
    return {task.task_id: task.python_callable for task in dag.tasks}


def test_the_sessions_find_the_same_stars_as_the_program_in_the_whole_image(
    functions: dict[str, Any], tmp_path: Path
) -> None:
    work = functions["list_tiles"]()
    image = Image(sys.executable, tmp_path)
    found = []
    for replica in (1, 2):
        ended = image.call(functions["detect_stars"], **work, replica=replica, replicas=2)
        assert ended.exit_code == 0, ended.log
        assert ended.log.count("stars\n") == 8
        found.append(ended.value)

    whole = stars_of_m13()
    assert positions(star for part in found for star in part) == positions(whole)

    result = functions["brightest"](found)
    assert result["stars"] == len(whole)
    _, _, first, *others = result["table"].splitlines()
    assert len(others) == 11
    assert float(first.split()[3]) == pytest.approx(max(whole["flux"]), abs=1)


def positions(stars: Any) -> list[tuple[float, float]]:
    return sorted((round(float(star["x"]), 6), round(float(star["y"]), 6)) for star in stars)
