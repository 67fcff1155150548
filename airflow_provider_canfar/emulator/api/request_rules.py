"""The rules that the server checks for a create (*PostAction.doAction*)."""

from __future__ import annotations

import base64
import binascii
import math
import re
from typing import TYPE_CHECKING, Any

from airflow_provider_canfar.emulator.api.http_errors import bad_request
from airflow_provider_canfar.emulator.runtime.sessions import HEADLESS, KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_canfar.emulator.api.parameters import Parameters
    from airflow_provider_canfar.emulator.images import ImageLibrary

CONTEXT: dict[str, Any] = {
    "cores": {"default": 2, "defaultRequest": 1, "defaultLimit": 8, "options": list(range(1, 17))},
    "memoryGB": {
        "default": 8,
        "defaultRequest": 4,
        "defaultLimit": 32,
        "options": [
            *(1, 2, 4, 6, 8, 10, 12, 14, 16, 20, 24, 26, 28, 30, 32, 36, 40, 44, 48, 56, 64, 80, 92, 112),
            *(128, 140, 170, 192),
        ],
    },
    "gpus": {"options": list(range(1, 29))},
}
"""The allowed amounts, as ``GET /context`` shows them on a server that reads *k8s-resources.json*."""


def check_image_host(image: str | None, images: ImageLibrary) -> str:
    """Return the image's name.

    :raises HttpError: 400 when it is missing, or its registry is not trusted (*PostAction.validateImage*).
    """
    if image is None:
        raise bad_request("Missing parameter 'image'")
    if not images.trusts(image):
        raise bad_request(f"session image '{image}' must come from one of [{','.join(images.hosts)}]")
    return image


def check_kind(kind: str | None) -> str:
    """Return the kind of session, headless when none is given (*SessionType.fromApplicationStringType*).

    :raises HttpError: 400 for an unknown kind.
    """
    if kind is None or not kind.strip():
        return HEADLESS
    if kind.strip().lower() not in KINDS:
        raise bad_request(f"Invalid session type: {kind.strip()}")
    return kind.strip().lower()


def check_amount(parameter: str, value: str | None, options: Sequence[int]) -> float | None:
    """Return an amount of cores or RAM, or None without a value.

    The server parses the value as a double, and its integer part has to be one of the options. Every error
    gets the same message (*PostAction.getCoresParam*, *getRamParam*).

    :raises HttpError: 400 when it is not a number, or not one of the options.
    """
    if value is None:
        return None
    try:
        amount = float(value.replace("_", "not a number in Java"))
    except ValueError:
        amount = math.nan
    if not math.isfinite(amount) or int(amount) not in options:
        raise bad_request(f"Invalid value for '{parameter}': {value}")
    return amount


def check_gpus(value: str | None) -> int:
    """Return the number of GPUs; 0 is not one of the options, so only a create without the parameter gets 0.

    :raises HttpError: 400 when it is not an integer, or not one of the options.
    """
    if value is None:
        return 0
    if not re.fullmatch(r"[-+]?[0-9]+", value) or int(value) not in CONTEXT["gpus"]["options"]:
        raise bad_request(f"Invalid value for 'gpus': {value}")
    return int(value)


def check_name(name: str | None) -> str:
    """Return the session's name in lower case (*PostAction.validateName*, *createSession*).

    :raises HttpError: 400 when it is missing, empty, or contains a character that the server rejects.
    """
    if name is None:
        raise bad_request("Missing parameter 'name'")
    if not name.strip():
        raise bad_request("name must have a value")
    if not re.fullmatch(r"[A-Za-z0-9\-]+", name):
        raise bad_request("name can only contain alpha-numeric chars and '-'")
    return name.lower()


def check_quota(active: int, maximum: int, user: str) -> None:
    """Check that the user may have one more interactive session (*PostAction.checkExistingSessions*).

    :param active: how many interactive sessions the user has.
    :raises HttpError: 400 when the user has reached the maximum.
    """
    if active >= maximum:
        raise bad_request(f"User {user} has reached the maximum of {maximum} active sessions.")


def check_registry(image: str, images: ImageLibrary, header: str | None, *, strict: bool) -> None:
    """Check that the server's cache lists the image, or that the request has credentials for the registry.

    :param header: ``x-skaha-registry-auth``.
    :param strict: only the images that are listed or expressly known are in the cache.
    :raises HttpError: 400 when the image is unknown and there are no credentials, or they cannot be
        read: the server splits them at every colon, and needs two parts (*ImageRegistryAuth.fromEncoded*).
    """
    if header is not None:
        try:
            parts = base64.b64decode(header, validate=True).decode().split(":")
        except (binascii.Error, UnicodeDecodeError):
            parts = []
        if len(parts) != 2 or not all(parts):
            raise bad_request("Invalid input.  Must be in form of username:secret")
    elif not images.knows(image, strict=strict):
        raise bad_request(
            "No authentication provided for unknown or private image.  Use x-skaha-registry-auth request "
            "header with base64Encode(username:secret)."
        )


def check_resources(parameters: Parameters) -> tuple[float | None, float | None]:
    """Return the requested cores and RAM, or None where they are flexible.

    :raises HttpError: 400 for an invalid amount.
    """
    cores = check_amount("cores", parameters.first("cores"), CONTEXT["cores"]["options"])
    ram = check_amount("ram", parameters.first("ram"), CONTEXT["memoryGB"]["options"])
    return cores, ram
