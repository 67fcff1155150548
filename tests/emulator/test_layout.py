"""The emulator's folders import one way, and each of its files may be packaged."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from airflow_provider_canfar import emulator

ROOT = Path(emulator.__file__).parent
PACKAGE = emulator.__name__

#: From the bottom to the top. A module may import its own folder and those before it.
ORDER = (
    "extra",
    "images",
    "config",
    "faults",
    "job_pipeline",
    "runtime",
    "api",
    "storage",
    "web",
    "app",
    "server",
    "__main__",
)

MODULES = [path for path in sorted(ROOT.rglob("*.py")) if path != ROOT / "__init__.py"]


def part_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_its_own_folder_and_those_below(path: Path) -> None:
    imported = {
        (node.module or "").removeprefix(PACKAGE).strip(".").partition(".")[0]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE)
    }
    allowed = ORDER[: ORDER.index(part_of(path)) + 1]
    assert imported <= {*allowed}


def test_no_module_or_script_is_longer_than_300_lines() -> None:
    files = [*MODULES, *ROOT.rglob("*.js")]
    assert [path.name for path in files if len(path.read_text().splitlines()) > 300] == []
