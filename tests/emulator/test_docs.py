"""docs/emulator.md names all that there is."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from airflow_provider_canfar.emulator.config import STATUS_WORDS, EmulatorConfig
from airflow_provider_canfar.emulator.faults.fault import Fault
from airflow_provider_canfar.emulator.faults.pod_faults import PULL_REASONS
from airflow_provider_canfar.emulator.faults.switched import KINDS

PAGE = (Path(__file__).parents[2] / "docs" / "emulator.md").read_text()


def own_fields(cls: type) -> set[str]:
    return {field.name for field in dataclasses.fields(cls)}


@pytest.mark.parametrize("name", [*sorted(own_fields(EmulatorConfig)), *STATUS_WORDS, *PULL_REASONS])
def test_the_page_names_each_option_and_word(name: str) -> None:
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_names_each_fault_and_its_arguments(kind: str) -> None:
    (row,) = [
        line for line in PAGE.splitlines() if re.match(rf"\| [^|]*`{kind}`", line) and line.count("|") == 4
    ]
    missing = [name for name in own_fields(KINDS[kind]) - own_fields(Fault) if f"`{name}`" not in row]
    assert missing == []
