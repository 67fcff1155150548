"""The metadata that Airflow discovers."""

from __future__ import annotations

import json
import tomllib
from importlib import import_module
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

import airflow_provider_canfar
from airflow_provider_canfar.get_provider_info import get_provider_info

ROOT = Path(airflow_provider_canfar.__file__).parent


def test_airflow_finds_the_provider_through_its_entry_point() -> None:
    (entry,) = entry_points(group="apache_airflow_provider", module=get_provider_info.__module__)
    assert entry.load() is get_provider_info


def test_the_package_name_matches_the_distribution() -> None:
    """If they differ, Airflow stops loading all providers."""
    (entry,) = entry_points(group="apache_airflow_provider", module=get_provider_info.__module__)
    assert entry.dist is not None
    assert entry.dist.name == get_provider_info()["package-name"]


def test_the_metadata_conforms_to_airflow_s_schema() -> None:
    schema = json.loads(files("airflow").joinpath("provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)


def test_the_hook_class_exists() -> None:
    for connection in get_provider_info()["connection-types"]:
        module, _, name = connection["hook-class-name"].rpartition(".")
        hook = getattr(import_module(module), name)
        assert hook.conn_type == connection["connection-type"]
        assert hook.hook_name == connection["hook-name"]


def test_the_newest_version_is_that_of_the_project() -> None:
    project = tomllib.loads((ROOT.parent / "pyproject.toml").read_text())["project"]
    assert get_provider_info()["versions"][0] == project["version"]


@pytest.mark.parametrize("package", ["operators", "sensors", "hooks", "triggers"])
def test_airflow_lists_each_public_module(package: str) -> None:
    (listed,) = get_provider_info()[package]
    modules = [path.stem for path in (ROOT / package).glob("*.py") if not path.name.startswith("_")]
    assert listed["python-modules"] == [
        f"airflow_provider_canfar.{package}.{name}" for name in sorted(modules)
    ]
    (integration,) = get_provider_info()["integrations"]
    assert listed["integration-name"] == integration["integration-name"]
