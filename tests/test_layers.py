"""Imports point one way: each part of the package may import only what is below it."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import airflow_provider_canfar

PACKAGE = "airflow_provider_canfar"
ROOT = Path(airflow_provider_canfar.__file__).parent

#: From the bottom to the top. Parts of one layer do not import each other.
LAYERS = [
    ["connection_form", "replicas"],
    ["get_provider_info"],
    ["skaha"],
    ["task_sessions", "account_sessions"],
    ["hooks"],
    ["fs", "plugin", "triggers"],
    ["links"],
    ["operators"],
    ["sensors"],
    ["decorators"],
]

#: The emulator and its fixtures import no other part: they implement the server's rules, not the client's.
SEPARATE = ("emulator", "testing", "_isolated_airflow")

#: Everything below the hooks works without Airflow.
WITHOUT_AIRFLOW = ("skaha", "task_sessions", "account_sessions", "emulator", "replicas", "get_provider_info")

#: These are copied elsewhere, or run in every Airflow process.
STANDALONE = ("", ".replicas", ".connection_form")

MAX_LINES = 300


def modules() -> Iterator[str]:
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = list(modules())


def file_of(module: str) -> Path:
    path = ROOT.parent.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def all_imported(module: str) -> set[str]:
    """Return what a module imports, inside functions and for type checkers too."""
    found = set()
    for node in ast.walk(ast.parse(file_of(module).read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            base = node.module or ""
            for alias in node.names:
                full = f"{base}.{alias.name}"
                found.add(full if full in MODULES else base)
    return found


def imported(module: str) -> set[str]:
    """Return the modules of this package that a module imports."""
    return {name for name in all_imported(module) if name == PACKAGE or name.startswith(f"{PACKAGE}.")}


def part_of(module: str) -> str:
    """Return the folder or module at the package's root that a module belongs to; "" for the root itself."""
    return module.removeprefix(PACKAGE).strip(".").partition(".")[0]


def layer_of(part: str) -> int:
    layers = [height for height, parts in enumerate(LAYERS) if part in parts]
    assert layers, f"{part} is in no layer: add it to LAYERS"
    return layers[0]


@pytest.mark.parametrize("module", [name for name in MODULES if part_of(name) not in ("", *SEPARATE)])
def test_a_module_imports_only_its_own_part_and_lower_layers(module: str) -> None:
    part = part_of(module)
    parts = {part_of(name) for name in imported(module)} - {"", part}
    assert not {other for other in parts if other in SEPARATE or layer_of(other) >= layer_of(part)}


@pytest.mark.parametrize("module", [name for name in MODULES if part_of(name) in SEPARATE])
def test_the_emulator_imports_only_itself(module: str) -> None:
    assert {part_of(name) for name in imported(module)} <= {"", "emulator", "_isolated_airflow"}


@pytest.mark.parametrize("module", [PACKAGE + name for name in STANDALONE])
def test_a_standalone_module_imports_nothing_of_this_package(module: str) -> None:
    assert not imported(module)


def test_no_two_modules_import_each_other() -> None:
    graph = {module: imported(module) - {module} for module in MODULES}
    assert list(TopologicalSorter(graph).static_order())


def test_no_two_folders_import_each_other() -> None:
    """A folder may import from its subfolders, and they from it."""
    graph: dict[Path, set[Path]] = defaultdict(set)
    for module in MODULES:
        folder = file_of(module).parent
        others = {file_of(name).parent for name in imported(module)}
        graph[folder] |= {one for one in others if folder not in one.parents and one not in folder.parents}
        graph[folder].discard(folder)
    assert list(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("module", [name for name in MODULES if part_of(name) in WITHOUT_AIRFLOW])
def test_parts_below_the_hooks_do_not_import_airflow(module: str) -> None:
    assert not {name for name in all_imported(module) if name == "airflow" or name.startswith("airflow.")}


@pytest.mark.parametrize("module", MODULES)
def test_no_module_is_too_long(module: str) -> None:
    assert len(file_of(module).read_text().splitlines()) <= MAX_LINES
