"""What to do about a create that the platform refuses."""

from __future__ import annotations

import pytest

from airflow_provider_canfar.skaha.errors import Rejected
from airflow_provider_canfar.skaha.models import ResourceOptions, SessionSpec
from airflow_provider_canfar.skaha.refusals import explained, is_about_resources

OFFER = ResourceOptions.model_validate(
    {"cores": {"options": [1, 2]}, "memoryGB": {"options": [1, 2, 4]}, "gpus": {"options": []}}
)


def refusal(server_message: str) -> Rejected:
    return Rejected(
        f"POST session failed with status 400: {server_message}.",
        method="POST",
        path="session",
        status=400,
        server_message=server_message,
    )


def spec(**fields: object) -> SessionSpec:
    return SessionSpec.model_validate({"name": "stars", "image": "skaha/astroml:24.07", **fields})


def test_an_unknown_image_is_named_with_the_credentials_that_it_may_need() -> None:
    error = refusal("No authentication provided for unknown or private image.  Use x-skaha-registry-auth")
    result = explained(error, spec(image="skaha/astorml:24.07"))
    for words in (str(error), "'images.canfar.net/skaha/astorml:24.07'", "tag", "label", "registry_secret"):
        assert words in str(result)
    assert result.facts == error.facts


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"ram": 3}, "Invalid ram 3: must be one of 1, 2, 4 on this platform. Choose one, or omit ram."),
        ({"cores": 8, "ram": 4}, "Invalid cores 8: must be one of 1, 2 on this platform."),
        ({"gpus": 1}, "Invalid gpus 1: this platform has none. Omit gpus."),
    ],
)
def test_a_refused_amount_is_followed_by_what_there_is(fields: dict[str, float], rule: str) -> None:
    error = refusal(f"Invalid value for '{next(iter(fields))}': 3")
    assert is_about_resources(error)
    assert str(explained(error, spec(**fields), OFFER)).startswith(f"{error} {rule}")


@pytest.mark.parametrize("offer", [None, OFFER])
def test_any_other_refusal_stays_as_it_is(offer: ResourceOptions | None) -> None:
    error = refusal("name can only contain alpha-numeric chars and '-'")
    assert not is_about_resources(error)
    assert explained(error, spec(ram=4), offer) is error
