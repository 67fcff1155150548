"""Assets in the storage."""

from __future__ import annotations

from importlib import import_module
from typing import NamedTuple

import pytest
from airflow.sdk import Asset, ObjectStoragePath

from airflow_provider_canfar.fs.assets import convert_asset_to_openlineage, create_asset
from airflow_provider_canfar.get_provider_info import get_provider_info

SPELLINGS = [
    "arc://home/jdoe/stars.fits",
    "arc:///home/jdoe/stars.fits",
    "arc://canfar_default@home/jdoe/stars.fits",
    "arc://canfar_default@/home/jdoe/stars.fits",
    "arc://home/jdoe/stars.fits/",
]


@pytest.mark.parametrize("uri", SPELLINGS)
def test_all_spellings_of_a_file_are_one_asset(uri: str) -> None:
    assert Asset(uri=uri).uri == "arc://home/jdoe/stars.fits"
    assert Asset(uri=ObjectStoragePath(uri)).uri == "arc://home/jdoe/stars.fits"
    assert create_asset(path=uri) == Asset(uri="arc://home/jdoe/stars.fits")


@pytest.mark.parametrize(
    "uri", ["arc://", "arc:///", "arc://home/jdoe/a b", "arc://home/../x", "arc://home/a?b=c"]
)
def test_a_file_that_cannot_exist_is_no_asset(uri: str) -> None:
    with pytest.raises(ValueError, match="Invalid"):
        Asset(uri=uri)


class Dataset(NamedTuple):
    """OpenLineage's, which need not be installed."""

    namespace: str
    name: str


def test_openlineage_names_the_storage_and_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow.providers.common.compat.openlineage.facet.Dataset", Dataset)
    dataset = convert_asset_to_openlineage(Asset(uri="arc://home/jdoe/stars.fits"), None)
    assert (dataset.namespace, dataset.name) == ("vos://cadc.nrc.ca~arc", "/home/jdoe/stars.fits")


def test_airflow_finds_what_the_metadata_names() -> None:
    info = get_provider_info()
    (entry,) = info["asset-uris"]
    for path in (entry["handler"], entry["factory"], entry["to_openlineage_converter"]):
        module, _, name = path.rpartition(".")
        assert callable(getattr(import_module(module), name))
    for module in info["filesystems"]:
        assert import_module(module).schemes == ["arc"]
