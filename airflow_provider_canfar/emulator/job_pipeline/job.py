"""Reads a Job from YAML as the server does: *Yaml.load* of Kubernetes' client-java.

It reads the document with *SafeConstructor*, writes the result with *Yaml.dump*, and reads that again into
the Java classes of a Job, where arguments and the names and values of variables are strings.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_provider_canfar.emulator.job_pipeline import snakeyaml
from airflow_provider_canfar.emulator.job_pipeline.java import JavaError, double_as_text

UNPRINTABLE = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""The characters that *StreamReader.isPrintable* rejects; a string with one is written as ``!!binary``."""


@dataclass(frozen=True)
class Container:
    """A Job's container: strings, and None for an empty YAML value.

    :param command: replaces the image's entry point.
    :param args: replaces the image's arguments.
    :param environment: names and values in order.
    """

    command: tuple[str | None, ...] | None
    args: tuple[str | None, ...] | None
    environment: tuple[tuple[str | None, str | None], ...]


def read_container(document: str) -> Container:
    """Return the one container of a Job.

    :param document: YAML.
    :raises JavaError: what the libraries throw.
    """
    job = snakeyaml.load(document)
    try:
        container = job["spec"]["template"]["spec"]["containers"][0]
        return Container(
            command=_strings(container.get("command")),
            args=_strings(container.get("args")),
            environment=tuple(
                (_text(variable.get("name")), _text(variable.get("value")))
                for variable in container.get("env") or ()
            ),
        )
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise _constructor_error(str(error)) from error


def _strings(values: Any) -> tuple[str | None, ...] | None:
    """Return a list's items as strings; None for an empty list, as for a missing one."""
    return tuple(_item(value) for value in values) if values else None


def _item(value: Any) -> str | None:
    """Return an item of a list of strings; for binary data, that is the base64 text."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, str) and UNPRINTABLE.search(value):
        return base64.b64encode(value.encode("utf-8", "replace")).decode()
    return _text(value)


def _text(value: Any) -> str | None:
    """Return a value as a string: the text that *Yaml.dump* writes for it."""
    match value:
        case None:
            return None
        case str():
            return value.encode("utf-8", "replace").decode()
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return double_as_text(value)
        case bytes():
            return value.decode("utf-8", "replace")
        case datetime():
            milliseconds = f".{value.microsecond // 1000:03}" if value.microsecond else ""
            return f"{value:%Y-%m-%dT%H:%M:%S}{milliseconds}Z"
        case [only]:
            # *ConstructSequence* looks for a constructor of String with one argument, and finds one.
            return _text(only)
        case _:
            raise _constructor_error("no constructor of String takes a map, or a list of several")


def _constructor_error(reason: str) -> JavaError:
    return JavaError(
        f"{snakeyaml.PACKAGE}.constructor.ConstructorException",
        f"Cannot create property=spec for JavaBean=class V1Job: {reason}",
    )
