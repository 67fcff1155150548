"""Parsing arguments of operators and sensors: literals when the DAG file is parsed, templates in the task.

Each parser takes the argument's name for its message, and a value that may be text, as a template renders it.
Nothing heavy is imported here: DAG files are parsed all day.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from inspect import signature
from numbers import Real
from typing import Any

from airflow_provider_canfar.hooks._explained import explained
from airflow_provider_canfar.skaha.errors import SpecError

#: What may become of sessions that have ended, and what a clear may mean.
ON_FINISH_ACTIONS = ("keep", "destroy", "destroy_succeeded")
ON_CLEAR = ("fresh", "resume")

#: What a template renders to where its author gives nothing: ``{{ none }}``, or an ``if`` without ``else``.
ABSENT = (None, "", "None")

#: What other operators and older scripts call an argument -> what it is called here.
ALSO_CALLED = {
    "arguments": "args",
    "async": "deferrable",
    "auto_remove": "on_finish_action",
    "backoff_limit": "max_failed_replicas",
    "bash_command": "command",
    "cancel_on_kill": "destroy_on_kill",
    "cmds": "command",
    "commands": "command",
    "completions": "replicas",
    "conn_id": "canfar_conn_id",
    "container_image": "image",
    "container_name": "name",
    "cpu": "cores",
    "cpus": "cores",
    "docker_conn_id": "canfar_conn_id",
    "entrypoint": "cmd",
    "environment": "env",
    "env_vars": "env",
    "get_logs": "logging_interval",
    "image_name": "image",
    "is_delete_operator_pod": "on_finish_action",
    "job_name": "name",
    "kubernetes_conn_id": "canfar_conn_id",
    "log_interval": "logging_interval",
    "mem": "ram",
    "mem_limit": "ram",
    "memory": "ram",
    "num_gpus": "gpus",
    "num_replicas": "replicas",
    "parallelism": "max_active_replicas",
    "pod_name": "name",
    "poke_interval": "poll_interval",
    "polling_interval": "poll_interval",
    "private_environment": "env",
    "retry": "retries",
    "session_name": "name",
    "session_type": "kind",
    "startup_timeout_seconds": "startup_timeout",
    "timeout": "execution_timeout",
    "type": "kind",
    "wait": "wait_for_completion",
    "wait_until_complete": "wait_for_completion",
}

_TEMPLATE_BEGINS = ("{{", "{%", "{#")

_TRUE = ("true", "t", "yes", "y", "on", "1")
_FALSE = ("false", "f", "no", "n", "off", "0")


def is_rendered_later(value: Any) -> bool:
    """Whether Airflow renders the value before the task runs: a template, another task's output, a function.

    >>> is_rendered_later("{{ params.n }}"), is_rendered_later("3"), is_rendered_later(3)
    (True, False, False)
    """
    if isinstance(value, str):
        return any(begin in value for begin in _TEMPLATE_BEGINS)
    if hasattr(value, "resolve") and hasattr(value, "iter_references"):  # An XComArg, of whatever release.
        return True
    return callable(value)  # Airflow calls it with the context.


def mapped_to_none(arguments: Mapping[str, Any]) -> frozenset[str]:
    """Return the arguments that an expansion gives as None: in ``__init__`` they look left out.

    :param arguments: what Airflow makes an operator of a mapped task with; of any other, none is returned.
    """
    if not arguments.get("_airflow_from_mapped"):
        return frozenset()
    mapped = getattr(arguments.get("dag"), "task_dict", {}).get(arguments.get("task_id"))
    # What stands in partial() is as its author wrote it.
    written = getattr(mapped, "partial_kwargs", {}).keys()
    return frozenset(name for name, value in arguments.items() if value is None) - written


def with_templates_as(value: Any, stand_in: str) -> Any:
    """Return a literal for its check, with a plain word for each part of it that is rendered later.

    >>> with_templates_as(["echo", "{{ ds }}"], "x"), with_templates_as({"A": "1"}, "x")
    (['echo', 'x'], {'A': '1'})
    """
    if is_rendered_later(value):
        return stand_in
    if isinstance(value, list | tuple):
        return [stand_in if is_rendered_later(one) else one for one in value]
    if isinstance(value, Mapping):
        return {name: stand_in if is_rendered_later(one) else one for name, one in value.items()}
    return value


def one_of(name: str, value: Any, choices: Collection[str]) -> str:
    """Return the value if it is one of the choices.

    :raises SpecError: for any other value.
    """
    if not isinstance(value, str) or value not in choices:
        raise SpecError(f"Invalid {name} {shortened(value)}: must be one of {', '.join(map(repr, choices))}.")
    return str(value)


def seconds(name: str, value: Any, *, minimum: float = 0.0, may_be_minimum: bool = True) -> float:
    """Return a duration in seconds.

    >>> seconds("poll_interval", timedelta(minutes=1)), seconds("poll_interval", "15")
    (60.0, 15.0)

    :param value: a timedelta, or a number of seconds.
    :param may_be_minimum: False if it must be above the minimum.
    :raises SpecError: for anything else, and below the minimum.
    """
    duration = value.total_seconds() if isinstance(value, timedelta) else _number(value)
    if duration is None or duration < minimum or not (may_be_minimum or duration > minimum):
        least = f"{minimum:g} or more" if may_be_minimum else f"more than {minimum:g}"
        raise SpecError(f"Invalid {name} {shortened(value)}: must be seconds, {least}, or a timedelta.")
    return float(duration)


def whole_number(name: str, value: Any, *, minimum: int, maximum: int | None = None) -> int:
    """Return a whole number.

    >>> whole_number("replicas", "20", minimum=1), whole_number("replicas", 3.0, minimum=1)
    (20, 3)

    :raises SpecError: for anything else, below the minimum, and above the maximum.
    """
    number = _number(value)
    if (
        number is None
        or number != int(number)
        or number < minimum
        or (maximum is not None and number > maximum)
    ):
        allowed = f"{minimum} or more" if maximum is None else f"from {minimum} to {maximum:,}"
        raise SpecError(f"Invalid {name} {shortened(value)}: must be a whole number, {allowed}.")
    return int(number)


def number(
    name: str, value: Any, *, minimum: float = 0.0, may_be_minimum: bool = True, unit: str = ""
) -> float:
    """Return a number.

    :param may_be_minimum: False if it must be above the minimum.
    :raises SpecError: for anything else, and below the minimum.
    """
    parsed = _number(value)
    if parsed is None or parsed < minimum or not (may_be_minimum or parsed > minimum):
        least = f"{minimum:g} or more" if may_be_minimum else f"more than {minimum:g}"
        of = f" of {unit}" if unit else ""
        raise SpecError(f"Invalid {name} {shortened(value)}: must be a number{of}, {least}.")
    return parsed


def instant(name: str, value: Any) -> float:
    """Return seconds since the epoch for a datetime, or for text in ISO 8601; without an offset, it is UTC.

    >>> instant("started_after", "2026-03-04 18:22:10+00:00"), instant("started_after", "2026-03-04")
    (1772648530.0, 1772582400.0)

    :raises SpecError: for anything else.
    """
    moment = value
    if isinstance(value, str):
        with suppress(ValueError):
            moment = datetime.fromisoformat(value.strip())
    if not isinstance(moment, datetime):
        raise SpecError(
            f"Invalid {name} {shortened(value)}: must be a datetime, or text in ISO 8601 such as "
            "'2026-03-04T18:22:10Z'."
        )
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def text(name: str, value: Any) -> str:
    """Return a string that is not empty.

    :raises SpecError: for anything else.
    """
    if not isinstance(value, str) or not value:
        raise SpecError(f"Invalid {name} {shortened(value)}: must be a string that is not empty.")
    return value


def flag(name: str, value: Any) -> bool:
    """Return a flag; a template renders it as text.

    >>> flag("fail_fast", "False"), flag("fail_fast", True)
    (False, True)

    :raises SpecError: for anything except True and False, and their usual spellings.
    """
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower() if isinstance(value, str | int) else None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise SpecError(f"Invalid {name} {shortened(value)}: must be True or False.")


@cache
def known_arguments(operator_class: type) -> frozenset[str]:
    """Return the arguments that a class and those below it take by name, Airflow's own among them."""
    return frozenset(
        name
        for base in operator_class.mro()
        if "__init__" in vars(base) and base is not object
        for name, parameter in signature(base.__init__).parameters.items()  # type: ignore[misc]  # Of a class.
        if name != "self" and parameter.kind is not parameter.VAR_KEYWORD
    )


def check_known(
    called: str, operator_class: type, names: Iterable[str], also_called: Mapping[str, str] = ALSO_CALLED
) -> None:
    """Reject arguments that an operator does not have. A message shows no value: it may be secret.

    :param called: what the DAG's author calls, such as ``CanfarHeadlessOperator`` or ``@task.canfar``.
    :param also_called: as for :func:`unknown_argument`.
    :raises TypeError: as Airflow does.
    """
    known = known_arguments(operator_class)
    unknown = [name for name in names if name not in known and not name.startswith("_airflow")]
    if unknown:
        message = " ".join(unknown_argument(name, known, also_called) for name in unknown)
        raise explained(TypeError(f"{called}: {message}"))


def shortened(value: Any) -> str:
    """Return a value as a message quotes it; somebody else's data may be long."""
    return f"{value!r:.100}"


def unknown_argument(name: str, known: Collection[str], also_called: Mapping[str, str]) -> str:
    """Return what to say of an argument that an operator does not have, with the one that was meant.

    >>> unknown_argument("replica", ["replicas", "image"], {})
    "Unknown argument 'replica'. Did you mean 'replicas'?"

    :param also_called: what other operators call an argument -> what it is called here.
    """
    from difflib import get_close_matches

    meant = [also_called[name]] if also_called.get(name) in known else []
    meant = meant or get_close_matches(name, sorted(known), 1, 0.7)
    hint = f" Did you mean {meant[0]!r}?" if meant else ""
    return f"Unknown argument {name!r}.{hint}"


def _number(value: Any) -> float | None:
    """Return a finite number, given as one or as text; None for anything else, booleans among it.

    A whole number stays an int, so that none is too large to be exact.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str | Real):
        return None
    if isinstance(value, str):
        if re.fullmatch(r"\s*[+-]?[0-9]{1,300}\s*", value):
            return int(value)
        if not re.fullmatch(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*", value):
            return None
    try:
        parsed = float(value)
    except OverflowError:
        return None
    if isinstance(value, int):
        return value
    return parsed if math.isfinite(parsed) else None
