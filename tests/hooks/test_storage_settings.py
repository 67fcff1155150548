"""Where a connection's storage is, and where its sessions see it."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_canfar.hooks._storage_settings import default_mount, storage_mount, storage_url
from airflow_provider_canfar.skaha.errors import SpecError


@pytest.mark.parametrize(
    ("platform", "extra", "url", "mount"),
    [
        ("https://ws-uv.canfar.net/skaha/v1", {}, "https://ws-uv.canfar.net/arc", "/arc"),
        ("https://staging.canfar.net/skaha/v1", {}, "https://staging.canfar.net/arc", "/arc"),
        ("https://src.canfar.net/skaha/v1", {}, "https://src.canfar.net/cavern", "/cavern"),
        ("http://127.0.0.1:8099/skaha/v1", {}, "http://127.0.0.1:8099/arc", "/arc"),
        ("http://[::1]:8099/skaha/v1", {"storage_url": ""}, "http://[::1]:8099/arc", "/arc"),
        (
            "https://a.test/skaha/v1",
            {"storage_url": "https://b.test/store/"},
            "https://b.test/store",
            "/store",
        ),
    ],
)
def test_each_host_has_a_storage(platform: str, extra: dict[str, Any], url: str, mount: str) -> None:
    assert storage_url(extra, platform) == url
    assert default_mount(url) == mount


@pytest.mark.parametrize("url", ["http://elsewhere.test/arc", "arc", "https://u:p@a.test/arc", 7])
def test_a_credential_is_sent_to_no_other_url(url: object) -> None:
    with pytest.raises(SpecError, match="Invalid storage_url"):
        storage_url({"storage_url": url}, "https://a.test/skaha/v1")


@pytest.mark.parametrize(
    ("mount", "path"), [("/arc", "/arc"), ("/arc/", "/arc"), ("//data//arc", "/data/arc"), ("", None)]
)
def test_a_mount_is_an_absolute_folder(mount: str, path: str | None) -> None:
    assert storage_mount({"storage_mount": mount}) == path


@pytest.mark.parametrize("mount", ["arc", "/", "~/arc", "/a\nb", "/.."])
def test_anything_else_is_no_mount(mount: str) -> None:
    with pytest.raises(SpecError, match="Invalid storage_mount"):
        storage_mount({"storage_mount": mount})
