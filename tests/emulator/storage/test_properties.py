"""Properties of files, with and without extended attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_canfar.emulator.storage.properties import ATTRIBUTE, PropertyStore

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("attribute", [ATTRIBUTE, "a-name-that-no-file-system-takes"])
def test_properties_survive_a_rewrite_and_a_rename_but_not_a_delete(tmp_path: Path, attribute: str) -> None:
    store, path, renamed = PropertyStore(attribute), tmp_path / "x", tmp_path / "y"
    path.write_text("old")
    assert store.read(path) == {}
    store.write(path, {"key": "värde"})
    path.write_text("new")
    path.rename(renamed)
    assert store.read(renamed) == {"key": "värde"}
    store.forget(renamed)
    renamed.unlink()
    path.write_text("another")
    assert store.read(path) == {}


@pytest.mark.parametrize("attribute", [ATTRIBUTE, "a-name-that-no-file-system-takes"])
def test_a_link_has_none(tmp_path: Path, attribute: str) -> None:
    store, path = PropertyStore(attribute), tmp_path / "x"
    path.touch()
    store.write(path, {"key": "value"})
    (tmp_path / "link").symlink_to("x")
    assert store.read(tmp_path / "link") == {}
