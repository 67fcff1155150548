"""How ``kubectl create`` reads the server's YAML, and which Jobs the API server rejects.

snakeyaml writes a string without quotes if snakeyaml itself would read it as a string again. kubectl reads it
with go-yaml (the resolver of *yaml.v2*), which reads some of these strings as booleans or numbers. The API
server then rejects the Job, whose fields must be strings; the server ignores kubectl's exit status.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_canfar.emulator.job_pipeline.yaml_scalars import plain_tag

if TYPE_CHECKING:
    from airflow_provider_canfar.emulator.job_pipeline.job import Container

GO_WORDS = re.compile(
    "y|Y|yes|Yes|YES|n|N|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF"
    r"|~|null|Null|NULL|\.nan|\.NaN|\.NAN|[-+]?\.(?:inf|Inf|INF)"
)
GO_INTEGER = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO][0-7]+|0[0-7]*|[1-9][0-9]*)|0b[-+][01]+")
GO_DIGITS = r"[0-9]+(?:_[0-9]+)*"
GO_FLOAT = re.compile(rf"[-+]?(?:\.{GO_DIGITS}|{GO_DIGITS}(?:\.(?:{GO_DIGITS})?)?)(?:[eE][-+]?{GO_DIGITS})?")
QUOTED_NUMBER = re.compile(r"0[0-9_]+")
VARIABLE_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
HOSTNAME = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")


class JobRejectedError(Exception):
    """The API server rejects the Job: kubectl fails, and no Job is created."""


@dataclass(frozen=True)
class AcceptedContainer:
    """A container that the API server has accepted: every field in it is a string."""

    command: tuple[str, ...] | None
    args: tuple[str, ...] | None
    environment: tuple[tuple[str, str], ...]


def create(container: Container) -> AcceptedContainer:
    """Return the container that the API server accepts.

    :raises JobRejectedError: for a string that has become a number, a boolean or null, and for a variable's
        name that Kubernetes before 1.34 rejects.
    """
    environment = []
    for name, value in container.environment:
        name = checked_string("env name", name)
        if not VARIABLE_NAME.fullmatch(name):
            raise JobRejectedError(f"env name {name!r} is no identifier")
        environment.append((name, checked_string(f"env {name}", value)))
    return AcceptedContainer(
        command=_checked_list("command", container.command),
        args=_checked_list("args", container.args),
        environment=tuple(environment),
    )


def checked_string(field: str, value: str | None) -> str:
    """Return a value that is still a string after kubectl has read it.

    :param field: the field's name, for the message.
    :raises JobRejectedError: when kubectl reads it as something else.
    """
    if value is None or (is_written_plain(value) and not is_go_string(value)):
        raise JobRejectedError(f"{field}: {value!r} is not read as a string")
    return value


def check_hostname(name: str) -> None:
    """Check that a session's name is valid as its pod's host name and label.

    :raises JobRejectedError: when it is longer than 63 characters, begins or ends with a dash, or kubectl
        reads it as something other than a string.
    """
    if not HOSTNAME.fullmatch(checked_string("hostname", name)):
        raise JobRejectedError(f"hostname {name!r} is no DNS label")


def is_written_plain(text: str) -> bool:
    """Return whether snakeyaml writes a string without quotes, if go-yaml might read it as something else.

    It does so if it would read the text as a string again, except for a zero followed by more digits.
    """
    return plain_tag(text) == "str" and not QUOTED_NUMBER.fullmatch(text)


def is_go_string(text: str) -> bool:
    """Return whether go-yaml reads a text without quotes as a string (*resolve* of yaml.v2)."""
    if GO_WORDS.fullmatch(text):
        return False
    if not text or text[0] not in "+-.0123456789":
        return True
    number = text if text[0] == "." else text.replace("_", "")
    return not (_is_go_integer(number) or _is_go_float(number))


def _is_go_integer(number: str) -> bool:
    """Return whether *strconv.ParseInt* or *ParseUint* parses a number into 64 bits, in any base."""
    if not GO_INTEGER.fullmatch(number):
        return False
    magnitude = number.lstrip("+-")
    is_old_octal = magnitude.isdigit() and magnitude.startswith("0")
    value = int(magnitude, 8) if is_old_octal else int(re.sub("(?<=0b)[-+]", "", magnitude), 0)
    return value < {"+": 2**63, "-": 2**63 + 1}.get(number[0], 2**64)


def _is_go_float(number: str) -> bool:
    """Return whether *strconv.ParseFloat* parses a number into 64 bits."""
    return GO_FLOAT.fullmatch(number) is not None and math.isfinite(float(number))


def _checked_list(field: str, values: tuple[str | None, ...] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(checked_string(field, value) for value in values)
