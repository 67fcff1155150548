"""Scalars as snakeyaml reads them: their tags (*Resolver*) and their values (*SafeConstructor*)."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_canfar.emulator.job_pipeline.java import JavaError, string

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PLAIN_TAGS: Mapping[str, re.Pattern[str]] = {
    "bool": re.compile("yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF"),
    "int": re.compile(
        r"[-+]?0b_*[0-1][0-1_]*|[-+]?0_*[0-7][0-7_]*|[-+]?(?:0|[1-9][0-9_]*)"
        r"|[-+]?0x_*[0-9a-fA-F][0-9a-fA-F_]*|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+"
    ),
    "float": re.compile(
        r"[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+"
        r"|[-+]?\.[0-9_]+(?:[eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
    ),
    "merge": re.compile("<<"),
    "null": re.compile("~|null|Null|NULL| |"),
    "timestamp": re.compile(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
        r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}"
        r"(?:\.[0-9]*)?(?:[ \t]*(?:Z|[-+][0-9]{1,2}(?::[0-9]{2})?))?"
    ),
}
"""The tags of plain scalars, in the order in which *Resolver* tries them; any other scalar is a string."""

TIMESTAMP = re.compile(
    r"(\d+)-(\d+)-(\d+)(?:[Tt\s]+(\d+):(\d+):(\d+)(?:\.(\d*))?\s*(?:Z|([-+])(\d+)(?::(\d+))?)?)?"
)


def plain_tag(scalar: str) -> str:
    """Return a plain scalar's tag: a key of :data:`PLAIN_TAGS`, or ``str``."""
    return next((tag for tag, pattern in PLAIN_TAGS.items() if pattern.fullmatch(scalar)), "str")


def _bool(text: str) -> bool:
    return text.lower() in ("yes", "true", "on")


def _int(text: str) -> int:
    sign, digits = _signed(text)
    if ":" in digits:
        return sign * int(_sexagesimal(digits))
    if digits.startswith(("0b", "0x")):
        return sign * int(digits, 0)
    return sign * int(digits, 8 if digits.startswith("0") else 10)


def _float(text: str) -> float:
    sign, digits = _signed(text.lower())
    if digits in (".inf", ".nan"):
        return sign * float(digits[1:])
    try:
        return sign * (_sexagesimal(digits) if ":" in digits else float(digits))
    except ValueError:
        raise JavaError("java.lang.NumberFormatException", f'For input string: "{digits}"') from None


def _signed(text: str) -> tuple[int, str]:
    digits = text.replace("_", "")
    return (-1 if digits.startswith("-") else 1), digits.lstrip("+-")


def _sexagesimal(digits: str) -> float:
    total = 0.0
    for part in digits.split(":"):
        total = total * 60 + float(part)
    return total


def _binary(text: str) -> bytes:
    try:
        return base64.b64decode(re.sub(r"\s", "", text))
    except binascii.Error as error:
        raise JavaError("java.lang.IllegalArgumentException", str(error)) from error


def _timestamp(text: str) -> datetime:
    """Return a time as Java's lenient calendar does: month 13 is the first month of the next year."""
    match = TIMESTAMP.fullmatch(text)
    assert match is not None  # noqa: S101 - for mypy: the pattern of the tag has matched
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    fraction, sign, hours, minutes = match.groups()[6:]
    years, month = divmod(month - 1, 12)
    start = datetime(year + years, month + 1, 1, tzinfo=UTC)
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0)) * (-1 if sign == "-" else 1)
    milliseconds = int(f"{fraction or ''}000"[:3])
    elapsed = timedelta(days=day - 1, hours=hour, minutes=minute, seconds=second, milliseconds=milliseconds)
    return start + elapsed - offset


SCALARS: Mapping[str, Callable[[str], Any]] = {
    "str": string,
    "null": lambda _: None,
    "bool": _bool,
    "int": _int,
    "float": _float,
    "binary": _binary,
    "timestamp": _timestamp,
}
