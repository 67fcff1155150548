"""Imports point one way: each module may know those below it, and none above."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import airflow_provider_canfar

PACKAGE = "airflow_provider_canfar"
ROOT = Path(airflow_provider_canfar.__file__).parent

#: From the bottom to the top. A module may import from its own layer and from those below it.
LAYERS = [
    [f"{PACKAGE}.skaha", f"{PACKAGE}.get_provider_info"],
    [f"{PACKAGE}.batch"],
    # Waiting for sessions of one's own, and what a task does about them.
    [f"{PACKAGE}.{name}" for name in ("vigil", "starting", "following", "attempt", "report", "memory")],
    # Waiting for anything else.
    [f"{PACKAGE}.{name}" for name in ("interactive", "roll", "lookout", "ends", "capacity", "sweep")],
    [f"{PACKAGE}.hooks"],
    [f"{PACKAGE}.triggers"],
    [f"{PACKAGE}.links", f"{PACKAGE}.operators", f"{PACKAGE}.sensors"],
    [f"{PACKAGE}.decorators"],
]

#: The emulator is no part of the ladder: it has the server's rules from the server, not from the client.
EMULATOR = f"{PACKAGE}.emulator"

#: These are copied elsewhere, or run in every Airflow process.
IMPORT_NOTHING_OF_OURS = ("", ".replicas", ".get_provider_info")


def modules() -> Iterator[str]:
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = list(modules())


def tree(module: str) -> ast.Module:
    path = ROOT.parent.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(file.read_text())


def imported(module: str) -> set[str]:
    """Return what a module imports of this package: inside functions and for checkers only, too."""
    found = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            base = node.module or ""
            for alias in node.names:
                full = f"{base}.{alias.name}"
                found.add(full if full in MODULES else base)
    return {name for name in found if name == PACKAGE or name.startswith(f"{PACKAGE}.")}


def layer(module: str) -> int | None:
    for height, names in enumerate(LAYERS):
        if any(module == name or module.startswith(f"{name}.") for name in names):
            return height
    return None


@pytest.mark.parametrize("module", [name for name in MODULES if layer(name) is not None])
def test_a_module_imports_only_from_its_own_layer_and_below(module: str) -> None:
    height = layer(module) or 0
    above = {name for name in imported(module) if layer(name) is None or (layer(name) or 0) > height}
    assert not above - {PACKAGE}


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith(f"{PACKAGE}.emulator")])
def test_the_emulator_imports_nothing_else_of_the_package(module: str) -> None:
    strangers = {name for name in imported(module) if not name.startswith(EMULATOR)}
    assert not strangers


@pytest.mark.parametrize("module", [PACKAGE + name for name in IMPORT_NOTHING_OF_OURS])
def test_what_runs_everywhere_imports_nothing_of_ours(module: str) -> None:
    assert not imported(module)


def test_no_two_modules_import_each_other() -> None:
    graph = {module: imported(module) - {module} for module in MODULES}
    assert list(TopologicalSorter(graph).static_order())


def test_skaha_knows_no_airflow() -> None:
    for module in MODULES:
        if module.startswith(f"{PACKAGE}.skaha") or (layer(module) or 99) < 4:
            names = {
                alias.name
                for node in ast.walk(tree(module))
                if isinstance(node, ast.Import)
                for alias in node.names
            } | {node.module or "" for node in ast.walk(tree(module)) if isinstance(node, ast.ImportFrom)}
            assert not {name for name in names if name == "airflow" or name.startswith("airflow.")}, module


@pytest.mark.parametrize("module", MODULES)
def test_no_module_is_longer_than_400_lines(module: str) -> None:
    path = ROOT.parent.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    assert len(file.read_text().splitlines()) <= 400
