"""Completing a spec as the platform's own client does."""

from __future__ import annotations

import pytest
from canfar.models.session import CreateRequest

from airflow_provider_canfar.skaha import validation


@pytest.mark.parametrize(
    "image",
    [
        "skaha/astroml",
        "skaha/astroml:24.07",
        "images.canfar.net/skaha/astroml",
        "images.canfar.net/skaha/astroml:24.07",
        "localhost:5000/skaha/astroml:24.07",
        "skaha/astroml@sha256:5d41402abc4b2a76b9719d911017c592",
    ],
)
def test_an_image_is_completed_as_the_platforms_client_does(image: str) -> None:
    theirs = CreateRequest(name="a", image=image, kind="headless").image
    assert validation.image_reference(image) == theirs
