"""A Job out of YAML, as the server reads it: *Yaml.load* of Kubernetes' client-java.

It reads the document with *SafeConstructor*, writes what came out with *Yaml.dump*, and reads that again into
the Java classes of a Job, where a command's words, a variable's name and its value are strings.
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
"""What *StreamReader.isPrintable* does not take; a string with one of these is written as ``!!binary``."""


@dataclass(frozen=True)
class Container:
    """A container of a Job: texts, and None where there was nothing.

    :param command: what replaces the image's entry point.
    :param args: what replaces the image's arguments.
    :param environment: names and values in order.
    """

    command: tuple[str | None, ...] | None
    args: tuple[str | None, ...] | None
    environment: tuple[tuple[str | None, str | None], ...]


def container_of(document: str) -> Container:
    """Return the one container of a Job.

    :param document: YAML.
    :raises JavaError: as the libraries throw.
    """
    job = snakeyaml.load(document)
    try:
        container = job["spec"]["template"]["spec"]["containers"][0]
        return Container(
            command=_words(container.get("command")),
            args=_words(container.get("args")),
            environment=tuple(
                (_text(variable.get("name")), _text(variable.get("value")))
                for variable in container.get("env") or ()
            ),
        )
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise _no_property(str(error)) from error


def _words(values: Any) -> tuple[str | None, ...] | None:
    """Return a list's texts; an empty one is as good as none."""
    return tuple(_word(value) for value in values) if values else None


def _word(value: Any) -> str | None:
    """Return what a value is in a list of strings: of what is binary, the base64 text itself arrives."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, str) and UNPRINTABLE.search(value):
        return base64.b64encode(value.encode("utf-8", "replace")).decode()
    return _text(value)


def _text(value: Any) -> str | None:
    """Return what a value is as a string: what *Yaml.dump* wrote of it, read as text."""
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
            raise _no_property("no constructor of String takes a map, or a list of several")


def _no_property(reason: str) -> JavaError:
    return JavaError(
        f"{snakeyaml.PACKAGE}.constructor.ConstructorException",
        f"Cannot create property=spec for JavaBean=class V1Job: {reason}",
    )
