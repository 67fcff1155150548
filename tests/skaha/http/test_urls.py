"""Which URLs a credential may be sent to."""

from __future__ import annotations

import pytest

from airflow_provider_canfar.skaha.errors import SpecError
from airflow_provider_canfar.skaha.http.urls import service_url


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://ws-uv.canfar.net/skaha/v1", "https://ws-uv.canfar.net/skaha/v1"),
        (" https://ws-uv.canfar.net/skaha/v1/ ", "https://ws-uv.canfar.net/skaha/v1"),
        ("http://127.0.0.1:8099/skaha/v1", "http://127.0.0.1:8099/skaha/v1"),
        ("http://localhost:8099/skaha/v1", "http://localhost:8099/skaha/v1"),
        ("http://[::1]:8099/skaha/v1", "http://[::1]:8099/skaha/v1"),
    ],
)
def test_a_url_is_accepted_if_a_credential_is_safe_there(url: str, kept: str) -> None:
    assert service_url(url) == kept


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ws-uv.canfar.net/skaha/v1",
        "ftp://ws-uv.canfar.net",
        "https:///skaha/v1",
        "http://ws-uv.canfar.net/skaha/v1",
        "http://127.0.0.1.evil.test/skaha/v1",
        "http://localhost.evil.test/skaha/v1",
        "https://user:s3cr3t@ws-uv.canfar.net/skaha/v1",
        "https://ws-uv.canfar.net/skaha/v1?token=s3cr3t",
        "https://ws-uv.canfar.net/skaha/v1#token=s3cr3t",
        "https://ws-uv.canfar.net:0/skaha/v1",
        "https://ws-uv.canfar.net:port/skaha/v1",
        "https://ws-uv.canfar.net /skaha/v1",
        "https://ws-uv.canfar.net/ska\x01ha/v1",
        "https://-é_.test/skaha/v1",
    ],
)
def test_a_url_that_would_expose_the_credential_is_rejected(url: str) -> None:
    with pytest.raises(SpecError, match="Invalid platform URL") as rejection:
        service_url(url)
    assert "s3cr3t" not in str(rejection.value)
