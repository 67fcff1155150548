"""The rules for a create: the server's sentences, and their order."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from airflow_provider_canfar.emulator.images import ImageLibrary

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.emulator.conftest import Caller

IMAGE = "images.canfar.net/skaha/astroml:24.07"
UNKNOWN = (
    "No authentication provided for unknown or private image.  "
    "Use x-skaha-registry-auth request header with base64Encode(username:secret)."
)


def test_the_first_broken_rule_is_reported_in_the_server_s_order(make_caller: Callable[..., Caller]) -> None:
    """At first every field is invalid; then each reported one is fixed."""
    caller = make_caller(max_interactive=1)
    caller.create(type="notebook")
    form: dict[str, str] = {"type": "nonsense", "cores": "99", "ram": "99", "gpus": "0"}
    fixes = [
        ("Missing parameter 'image'", {"image": "docker.io/a/b:1"}),
        (
            "session image 'docker.io/a/b:1' must come from one of [images.canfar.net]",
            {"image": "images.canfar.net/x"},
        ),
        ("Invalid session type: nonsense", {"type": " Notebook "}),
        ("Invalid value for 'cores': 99", {"cores": "2.7"}),
        ("Invalid value for 'ram': 99", {"ram": "4"}),
        ("Missing parameter 'name'", {"name": " "}),
        ("name must have a value", {"name": "a_b"}),
        ("name can only contain alpha-numeric chars and '-'", {"name": "A-b"}),
        ("User astronomer has reached the maximum of 1 active sessions.", {"type": "headless"}),
        ("Invalid value for 'gpus': 0", {"gpus": "1"}),
        (UNKNOWN, {"image": IMAGE}),
    ]
    for sentence, fix in fixes:
        response = caller.http.post("/session", data=form)
        assert (response.status_code, response.text) == (400, f"{sentence}\n")
        form |= fix
    session = caller.http.post("/session", data=form).raise_for_status().text.strip()
    assert caller.session(session)["name"] == "a-b"


@pytest.mark.parametrize("parameter", ["cores", "ram"])
@pytest.mark.parametrize("value", ["", "two", "0", "3e9", "1_0", "nan", "inf", "-2"])
def test_an_amount_has_to_be_one_of_the_options(shared_caller: Caller, parameter: str, value: str) -> None:
    assert shared_caller.post(**{parameter: value}).text == f"Invalid value for '{parameter}': {value}\n"


@pytest.mark.parametrize("value", ["0", "29", "1.0", "one", ""])
def test_gpus_have_to_be_a_positive_integer(shared_caller: Caller, value: str) -> None:
    assert shared_caller.post(gpus=value).text == f"Invalid value for 'gpus': {value}\n"


@pytest.mark.parametrize(
    "image",
    [
        "images.canfar.net/skaha/astroml",
        "images.canfar.net/skaha/astroml@sha256:00",
        "images.canfar.net/private/tool:1",
    ],
)
def test_an_image_outside_the_cache_needs_credentials(shared_caller: Caller, image: str) -> None:
    assert shared_caller.post(image=image).text == f"{UNKNOWN}\n"
    credentials = base64.b64encode(b"jdoe:secret").decode()
    form = {"name": "test", "image": image, "cmd": "true"}
    allowed = shared_caller.http.post("/session", data=form, headers={"x-skaha-registry-auth": credentials})
    assert allowed.status_code == 200


@pytest.mark.parametrize("credentials", [b"jdoe", b"jdoe:se:cret", b":secret", b"jdoe:"])
def test_registry_credentials_have_two_parts(shared_caller: Caller, credentials: bytes) -> None:
    header = {"x-skaha-registry-auth": base64.b64encode(credentials).decode()}
    response = shared_caller.http.post("/session", data={"name": "a", "image": IMAGE}, headers=header)
    assert response.text == "Invalid input.  Must be in form of username:secret\n"


def test_registry_credentials_are_base64(shared_caller: Caller) -> None:
    header = {"x-skaha-registry-auth": "jdoe:secret"}
    response = shared_caller.http.post("/session", data={"name": "a", "image": IMAGE}, headers=header)
    assert response.text == "Invalid input.  Must be in form of username:secret\n"


def test_a_strict_emulator_knows_only_listed_and_expressly_known_images(
    make_caller: Callable[..., Caller],
) -> None:
    listed = {"images.canfar.net/skaha/mine:1": ("headless",)}
    caller = make_caller(images=ImageLibrary(listed=listed, known=("images.canfar.net/lab/*",)))
    unlisted = "images.canfar.net/skaha/mine:2"
    assert caller.post(image=unlisted).status_code == 200
    caller.emulator.configure(strict_images=True)
    response = caller.post(image=unlisted)
    assert (response.status_code, response.text) == (400, f"{UNKNOWN}\n")
    assert caller.post(image="images.canfar.net/skaha/mine:1").status_code == 200
    assert caller.post(image="images.canfar.net/lab/tool:3").status_code == 200
    assert [image["id"] for image in caller.http.get("/image").json()] == [*listed]
    credentials = {"x-skaha-registry-auth": base64.b64encode(b"jdoe:secret").decode()}
    form = {"name": "test", "image": unlisted}
    assert caller.http.post("/session", data=form, headers=credentials).status_code == 200
