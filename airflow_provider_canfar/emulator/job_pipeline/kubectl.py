"""What ``kubectl create`` makes of the server's YAML, and what the API server refuses of it.

snakeyaml writes a string without quotes when, read by snakeyaml, it is a string again. kubectl reads it with
go-yaml (the resolver of *yaml.v2*), which takes some of them for truth values and numbers. The API server
then refuses the Job, which wants strings; the server does not look at kubectl's exit status.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_canfar.emulator.job_pipeline.snakeyaml import plain_tag

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


class JobRefusedError(Exception):
    """The API server refuses the Job: kubectl fails, and there is none."""


@dataclass(frozen=True)
class PostedContainer:
    """A container that the API server has taken: everything in it is text."""

    command: tuple[str, ...] | None
    args: tuple[str, ...] | None
    environment: tuple[tuple[str, str], ...]


def posted(container: Container) -> PostedContainer:
    """Return what the API server gets and takes.

    :raises JobRefusedError: for what has become a number, a truth value or nothing, and for a variable's name
        that Kubernetes before 1.34 does not take.
    """
    environment = []
    for name, value in container.environment:
        name = kept("env name", name)
        if not VARIABLE_NAME.fullmatch(name):
            raise JobRefusedError(f"env name {name!r} is no identifier")
        environment.append((name, kept(f"env {name}", value)))
    return PostedContainer(
        command=_kept_list("command", container.command),
        args=_kept_list("args", container.args),
        environment=tuple(environment),
    )


def kept(what: str, word: str | None) -> str:
    """Return a word that stays a string.

    :param what: what it is, for the message.
    :raises JobRefusedError: when kubectl takes it for something else.
    """
    if word is None or (written_plain(word) and not go_reads_text(word)):
        raise JobRefusedError(f"{what}: {word!r} is not read as a string")
    return word


def check_hostname(name: str) -> None:
    """Check that a session's name can be its pod's host name and label.

    :raises JobRefusedError: when it is longer than 63 characters, begins or ends with a dash, or is a word
        that kubectl takes for something else.
    """
    if not HOSTNAME.fullmatch(kept("hostname", name)):
        raise JobRefusedError(f"hostname {name!r} is no DNS label")


def written_plain(word: str) -> bool:
    """Tell whether snakeyaml writes a string without quotes, of those that go-yaml might not take for one.

    It does when it would read it as a string again; and it quotes a zero with more digits behind it.
    """
    return plain_tag(word) == "str" and not QUOTED_NUMBER.fullmatch(word)


def go_reads_text(word: str) -> bool:
    """Tell whether go-yaml takes a word without quotes for a string (*resolve* of yaml.v2)."""
    if GO_WORDS.fullmatch(word):
        return False
    if not word or word[0] not in "+-.0123456789":
        return True
    number = word if word[0] == "." else word.replace("_", "")
    return not (_is_go_integer(number) or _is_go_float(number))


def _is_go_integer(number: str) -> bool:
    """Tell whether *strconv.ParseInt* or *ParseUint* takes a number into 64 bits, in any base."""
    if not GO_INTEGER.fullmatch(number):
        return False
    magnitude = number.lstrip("+-")
    is_old_octal = magnitude.isdigit() and magnitude.startswith("0")
    value = int(magnitude, 8) if is_old_octal else int(re.sub("(?<=0b)[-+]", "", magnitude), 0)
    return value < {"+": 2**63, "-": 2**63 + 1}.get(number[0], 2**64)


def _is_go_float(number: str) -> bool:
    """Tell whether *strconv.ParseFloat* takes a number into 64 bits."""
    return GO_FLOAT.fullmatch(number) is not None and math.isfinite(float(number))


def _kept_list(what: str, words: tuple[str | None, ...] | None) -> tuple[str, ...] | None:
    return None if words is None else tuple(kept(what, word) for word in words)
