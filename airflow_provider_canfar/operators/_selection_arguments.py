"""The arguments that choose sessions, of the sensors, of cleanup and of the asset trigger.

What an author gave and what it renders to are two things: an argument that was left out restricts nothing,
and one that rendered to nothing is an error, as it would choose sessions that the author did not mean.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from airflow_provider_canfar.operators._argument_parsers import instant, is_rendered_later
from airflow_provider_canfar.skaha import name_pattern, validation
from airflow_provider_canfar.skaha.errors import SpecError

# skaha.statuses has these too; not every DAG file that is parsed needs it.
KINDS = ("headless", "notebook", "desktop", "carta", "contributed", "firefly", "desktop-app")
STATUSES = ("Pending", "Running", "Terminating", "Completed", "Failed")
END_STATUSES = (*STATUSES, "Gone")

#: What servers said until September 2025.
_OLD_STATUSES = ("succeeded", "error")

#: What other sensors and clients call an argument -> what it is called here.
ALSO_CALLED = {
    "session_id": "ids",
    "session_ids": "ids",
    "name": "prefix",
    "name_prefix": "prefix",
    "pattern": "regex",
    "name_regex": "regex",
    "kinds": "kind",
    "session_type": "kind",
    "type": "kind",
    "statuses": "status",
    "state": "status",
    "states": "status",
    "failed_states": "fail_on",
    "since": "started_after",
    "start_time": "started_after",
    "count": "at_least",
    "minimum": "at_least",
    "maximum": "at_most",
    "max_sessions": "at_most",
    "conn_id": "canfar_conn_id",
    "interval": "poll_interval",
    "polling_interval": "poll_interval",
    "poll_seconds": "poll_interval",
    "cpu": "cores",
    "cpus": "cores",
    "gpu": "gpus",
    "num_gpus": "gpus",
    "memory": "ram",
    "mem": "ram",
    "age": "older_than",
    "min_age": "older_than",
    "everything": "allow_all",
    "settle": "settle_time",
    "together": "when_all_ended",
}


def is_nothing(value: Any) -> bool:
    """Whether a rendered value says nothing.

    >>> is_nothing(None), is_nothing(" "), is_nothing("None"), is_nothing([]), is_nothing(0)
    (True, True, True, False, False)
    """
    return value is None or (isinstance(value, str) and value.strip() in ("", "None"))


def is_literal(value: Any) -> bool:
    """Whether no part of a value is rendered later. An iterator, which can be read only once, is none.

    >>> is_literal(["k3v9x2qa", None]), is_literal(["k3v9x2qa", "{{ params.id }}"])
    (True, False)
    """
    if isinstance(value, Mapping):
        return all(map(is_literal, value.values()))
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(is_literal, value))
    return not isinstance(value, Iterator) and not is_rendered_later(value)


def with_stand_ins(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments for a check of how they go together, where the DAG file is parsed.

    A name stands for a choice by ids or by name that is not known yet. Any other argument that is rendered
    later counts as left out.
    """
    known = {name: value if is_literal(value) else None for name, value in given.items()}
    chosen_by = ("ids", "prefix", "regex")
    if not all(is_literal(given[name]) for name in chosen_by):
        known |= dict.fromkeys(chosen_by) | {"prefix": "x"}
    return known


class GivenArguments:
    """What the author gave for the arguments that Airflow renders, to compare with what they render to.

    :param mapped_to_none: those that an expansion gives as None.
    :param arguments: by name, before Airflow renders them.
    """

    def __init__(self, mapped_to_none: Iterable[str] = (), /, **arguments: Any) -> None:
        self._sources = dict.fromkeys(mapped_to_none, "an element of the expansion") | {
            place: _source(value)
            for name, given in arguments.items()
            for place, value in _places(name, given)
            if is_rendered_later(value)
        }

    def require(self, **rendered: Any) -> None:
        """Check what the arguments have rendered to.

        :raises SpecError: for an argument, or an element of a list, that was given and rendered to nothing.
        """
        for name, whole in rendered.items():
            for place, value in _places(name, whole):
                if is_nothing(value) and place in self._sources:
                    raise SpecError(
                        f"Invalid {place}: {self._sources[place]} rendered to nothing ({value!r}). "
                        f"Check what it takes its value from, or leave {name} out."
                    )


def check_selection(
    *,
    statuses: Collection[str] = END_STATUSES,
    ids: Any = None,
    prefix: Any = None,
    regex: Any = None,
    kind: Any = None,
    **words: Any,
) -> None:
    """Check what is known when the DAG file is parsed; what is rendered later passes.

    :param statuses: the statuses to choose from.
    :param words: arguments that take statuses, by name.
    :raises SpecError: naming the argument and the value.
    """
    chosen_by = (("ids", ids), ("prefix", prefix), ("regex", regex))
    given = [name for name, value in chosen_by if value is not None]
    if len(given) > 1 and not any(is_rendered_later(value) for _, value in chosen_by):
        raise SpecError(f"{' and '.join(given)} are given together. Choose sessions by one of them.")
    for literal, check in ((ids, _check_ids), (prefix, name_prefix), (regex, name_regex)):
        if not is_rendered_later(literal):
            check(literal)
    for word in _literal_words("kind", kind):
        if word not in KINDS:
            raise SpecError(f"Invalid kind {word!r}: must be one of {', '.join(KINDS)}.")
    for name, value in words.items():
        _check_statuses(name, value, statuses)


def check_start(started_after: Any, ids: Any) -> None:
    """Check what is known, when the DAG file is parsed, of the moment after which sessions start.

    :raises SpecError: for anything but a moment, and together with ids.
    """
    if started_after is None:
        return
    if ids is not None:
        raise SpecError("Invalid started_after with ids: an id is of one session. Leave one of them out.")
    if not is_rendered_later(started_after):
        instant("started_after", started_after)


def _check_ids(value: Any) -> None:
    require_ids(value)
    for session_id in value if isinstance(value, list | tuple) else ():
        if isinstance(session_id, str) and not is_rendered_later(session_id):
            validation.session_id(session_id)


def _check_statuses(name: str, value: Any, statuses: Collection[str]) -> None:
    known = {status.lower() for status in statuses} | set(_OLD_STATUSES)
    for word in _literal_words(name, value):
        # Servers 1.0.0 to 1.0.3 append the reason in parentheses.
        if word.partition("(")[0].strip().lower() not in known:
            wanted = "status" if name == "status" else f"{name} status"
            raise SpecError(f"Invalid {wanted} {word!r}: must be one of {', '.join(statuses)}.")


def require_ids(value: Any) -> Any:
    """Return ids that are not an empty text; an empty list is none at all, and no mistake.

    :raises SpecError: for a text without an id, or with the word to which a template renders nothing.
    """
    texts = [one for one in (value if isinstance(value, list | tuple) else [value]) if isinstance(one, str)]
    if "None" in re.split(r"[\s,]+", ",".join(texts)):
        raise SpecError(
            f"Invalid ids {value!r:.200}: None is no id. A template in it, or an upstream task, gave nothing."
        )
    if isinstance(value, str) and not value.strip(" \t\r\n,"):
        raise SpecError(f"Invalid ids {value!r}: there is no id in it. Give ids, or an empty list for none.")
    return value


def name_prefix(value: Any) -> str | None:
    """Return a prefix of names.

    :raises SpecError: for anything but text that a name can start with.
    """
    text = _text("prefix", value)
    # What the server takes in a name (PostAction.validateName). A prefix with anything else matches none.
    if text is not None and not re.fullmatch(r"[A-Za-z0-9-]*", text):
        raise SpecError(
            f"Invalid prefix {text!r}: names have letters, digits and '-' only, so no name starts with it. "
            "Correct it, or give a regular expression as regex."
        )
    return text


def name_regex(value: Any) -> str | None:
    """Return a regular expression.

    :raises SpecError: for anything but text that is one.
    """
    text = _text("regex", value)
    if text is not None:
        name_pattern.name_regex(text)
    return text


def words_of(name: str, value: Any) -> tuple[str, ...]:
    """Return one word or several; none for None.

    >>> words_of("status", "Failed"), words_of("status", ["Failed", "Gone"]), words_of("status", None)
    (('Failed',), ('Failed', 'Gone'), ())

    :raises SpecError: for anything but text, or a list of it.
    """
    if value is None:
        return ()
    several = [value] if isinstance(value, str) or not isinstance(value, Iterable) else list(value)
    if wrong := [word for word in several if not isinstance(word, str)]:
        raise SpecError(f"Invalid {name} {wrong[0]!r}: must be a word, or a list of words.")
    return tuple(several)


def _places(name: str, value: Any) -> list[tuple[str, Any]]:
    """Return an argument and, if it is a list, its elements, each with what to call it."""
    elements = enumerate(value) if isinstance(value, list | tuple) else ()
    return [(name, value), *((f"{name}[{index}]", one) for index, one in elements)]


def _source(value: Any) -> str:
    """Describe what an author gave."""
    if isinstance(value, str):
        return value if len(value) <= 200 else f"{value[:200]}..."
    if not hasattr(value, "iter_references"):
        return f"the function {getattr(value, '__name__', type(value).__name__)}()"
    tasks = sorted({operator.task_id for operator, _ in value.iter_references()})
    return f"the output of task {' and '.join(map(repr, tasks))}"


def _text(name: str, value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise SpecError(f"Invalid {name} {value!r}: must be text.")
    return value


def _literal_words(name: str, value: Any) -> list[str]:
    if is_rendered_later(value):
        return []
    several = value if isinstance(value, list | tuple | set | frozenset) else [value]
    literals = [word for word in several if word is not None and not is_rendered_later(word)]
    return list(words_of(name, literals))
