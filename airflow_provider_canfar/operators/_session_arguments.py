"""What each argument of an operator that launches sessions takes, as a literal and as a rendered template.

A literal is checked when the DAG file is parsed. What a template renders to is checked before any request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from airflow_provider_canfar.operators._argument_parsers import (
    ABSENT,
    ON_CLEAR,
    ON_FINISH_ACTIONS,
    flag,
    is_rendered_later,
    number,
    one_of,
    seconds,
    shortened,
    text,
    whole_number,
    with_templates_as,
)
from airflow_provider_canfar.operators._combinations import check_together
from airflow_provider_canfar.operators._environment import HiddenEnv
from airflow_provider_canfar.skaha.errors import SpecError
from airflow_provider_canfar.skaha.naming import stem_of
from airflow_provider_canfar.skaha.validation import environment, image_reference

#: Kinds that a browser opens, and those that it cannot.
INTERACTIVE_KINDS = ("notebook", "desktop", "carta", "firefly", "contributed")
OTHER_KINDS = ("headless", "desktop-app")

COMMAND_ENCODINGS = ("auto", "plain", "bootstrap")

#: The most replicas of one task.
MOST_REPLICAS = 10_000

#: Stands for a word that is not known yet, where the words around it are checked.
STAND_IN = "x"


@dataclass(frozen=True, slots=True)
class Argument:
    """What one argument takes.

    :param parse: takes the argument's name and its value, and returns the value that it means.
    :param may_be_left_out: whether None, as a literal, means *left out*.
    :param nothing_means_left_out: whether a template that renders to nothing means the same. For all other
        arguments that is an error.
    :param is_template: whether Airflow renders it.
    """

    parse: Callable[[str, Any], Any]
    may_be_left_out: bool = False
    nothing_means_left_out: bool = False
    is_template: bool = True

    def check_literal(self, name: str, value: Any) -> None:
        """Check a literal; leave what is rendered later.

        :raises SpecError: for a value that the argument does not take.
        """
        if is_rendered_later(value) and self.is_template:
            return
        if not self._is_left_out(value):
            self.parse(name, with_templates_as(value, STAND_IN))

    def parse_rendered(self, name: str, value: Any, *, is_given: bool) -> Any:
        """Return what the value means; None if the argument is left out.

        :param is_given: whether the DAG's author gave something that Airflow rendered.
        :raises SpecError: for a value that the argument does not take, and for nothing where something was
            given.
        """
        value = _content(value)
        if is_given and not self.nothing_means_left_out and isinstance(value, str | None) and value in ABSENT:
            raise SpecError(
                f"Invalid {name} {value!r}: it was given, and rendered to nothing. Let its template or its "
                "upstream task give a value."
            )
        return None if self._is_left_out(value) else self.parse(name, value)

    def _is_left_out(self, value: Any) -> bool:
        if self.nothing_means_left_out:
            return isinstance(value, str | None) and value in ABSENT
        return self.may_be_left_out and value is None


def check_literals(
    arguments: Mapping[str, Argument], given: Mapping[str, Any], *, is_partial: bool = False
) -> None:
    """Check literals when the DAG file is parsed.

    :param arguments: what the operator's arguments take.
    :param given: name -> value.
    :param is_partial: whether a mapped task gives other arguments later.
    :raises SpecError: naming an argument, what is wrong, and what it takes.
    """
    contents = {name: _content(value) for name, value in given.items() if name in arguments}
    for name, value in contents.items():
        arguments[name].check_literal(name, value)
    check_together(contents, is_partial=is_partial)
    if "env" in arguments:
        _check_command(contents, has_other_program=is_partial or "command" not in arguments)


def rendered_later(arguments: Mapping[str, Argument], given: Mapping[str, Any]) -> frozenset[str]:
    """Return the arguments whose whole value Airflow renders."""
    return frozenset(name for name in arguments if is_rendered_later(_content(given[name])))


def _content(value: Any) -> Any:
    return value.content if isinstance(value, HiddenEnv) else value


def _check_command(given: Mapping[str, Any], *, has_other_program: bool) -> None:
    """Encode the literal parts of a command and its environment, which refuses what nothing can carry.

    :param has_other_program: whether the program comes from elsewhere, where none is given.
    """
    # It loads nothing heavy, and only where a task is made.
    from airflow_provider_canfar.skaha.command.encoding import encode

    words = {name: given[name] for name in ("command", "cmd", "args") if given.get(name) is not None}
    if has_other_program and not {"command", "cmd"} & words.keys():
        words["cmd"] = STAND_IN
    if is_rendered_later(words.get("command")):
        words["command"] = [STAND_IN]
    env = with_templates_as(given.get("env") or {}, STAND_IN)
    encoding = given.get("command_encoding", "auto")
    encode(
        **{name: with_templates_as(value, STAND_IN) for name, value in words.items()},
        env=environment(env) if isinstance(env, Mapping) else {},
        command_encoding="auto" if is_rendered_later(encoding) else encoding,
    )


def _name(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise SpecError(f"Invalid {name} {shortened(value)}: must be a string.")
    stem_of(value, "")
    return value


def _prefix(name: str, value: Any) -> str:
    # A name has nothing else (PostAction.validateName), so no other prefix would count any session.
    if not re.fullmatch(r"[A-Za-z0-9-]+", text(name, value)):
        raise SpecError(
            f"Invalid {name} {shortened(value)}: must have letters, digits and '-' only, as names do."
        )
    return str(value)


def _image(name: str, value: Any) -> str:
    return image_reference(text(name, value))


def _command(name: str, value: Any) -> list[Any]:
    """Return a command's words, which are checked where they are encoded."""
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise SpecError(
            f"Invalid {name} of type {type(value).__name__}: must be a list with one string for each "
            "argument. shlex.split() makes one of a string; or write ['sh', '-c', command] for a shell to "
            "read it. One template gives a list only in a DAG with render_template_as_native_obj=True."
        )
    return list(value)


def _cmd(name: str, value: Any) -> str:
    if not isinstance(value, str):
        # Not quoted: what should have been in args may be secret.
        raise SpecError(f"Invalid {name} of type {type(value).__name__}: must be a string, the program.")
    return text(name, value)


def _args(name: str, value: Any) -> str | list[Any]:
    return value if isinstance(value, str) else _command(name, value)


def _env(name: str, value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        # Its values may be secret: the message has none of them.
        raise SpecError(
            f"Invalid {name} of type {type(value).__name__}: must be a mapping of names to strings, such as "
            "{'NAME': 'value'}. One template gives a mapping only in a DAG with "
            "render_template_as_native_obj=True."
        )
    return environment(value)


def _kind(name: str, value: Any) -> str:
    if value in OTHER_KINDS:
        raise SpecError(
            f"Invalid {name} {value!r}: a browser cannot open it. Choose notebook, desktop, carta, firefly "
            "or contributed; CanfarHeadlessOperator runs headless sessions."
        )
    return one_of(name, value, INTERACTIVE_KINDS)


def _must_wait(name: str, value: Any) -> bool:
    if not flag(name, value):
        raise SpecError(
            f"Invalid {name} {value!r}: @task.canfar returns the function's result, which comes with the end "
            "of its session. CanfarHeadlessOperator and @task.canfar_cmd need not wait."
        )
    return True


_TEXT = Argument(text)
_FLAG = Argument(flag)
_DURATION = partial(seconds, may_be_minimum=False)
_COUNT = partial(whole_number, minimum=1)


def _gpus(name: str, value: Any) -> int:
    try:
        return _COUNT(name, value)
    except SpecError as error:
        raise SpecError(f"{error} Leave it out for none.") from None


_RESOURCE = Argument(partial(number, may_be_minimum=False), may_be_left_out=True, nothing_means_left_out=True)

#: The arguments of every operator that launches sessions.
COMMON: Mapping[str, Argument] = {
    "canfar_conn_id": _TEXT,
    "image": Argument(_image),
    "name": Argument(_name, may_be_left_out=True),
    "cores": _RESOURCE,
    "ram": replace(_RESOURCE, parse=partial(number, may_be_minimum=False, unit="GB")),
    "gpus": Argument(_gpus, may_be_left_out=True, nothing_means_left_out=True),
    "destroy_on_kill": _FLAG,
    "deferrable": Argument(flag, may_be_left_out=True, is_template=False),
    "poll_interval": Argument(_DURATION),
    "startup_timeout": Argument(_DURATION, may_be_left_out=True),
}

HEADLESS: Mapping[str, Argument] = {
    **COMMON,
    "command": Argument(_command, may_be_left_out=True),
    "cmd": Argument(_cmd, may_be_left_out=True),
    "args": Argument(_args, may_be_left_out=True),
    "env": Argument(_env, may_be_left_out=True),
    "command_encoding": Argument(partial(one_of, choices=COMMAND_ENCODINGS)),
    "replicas": Argument(partial(_COUNT, maximum=MOST_REPLICAS)),
    "max_active_replicas": Argument(_COUNT, may_be_left_out=True),
    "launch_concurrency": Argument(partial(_COUNT, maximum=32)),
    "max_account_sessions": Argument(_COUNT, may_be_left_out=True),
    "max_pending_account_sessions": Argument(_COUNT, may_be_left_out=True),
    "account_sessions_prefix": Argument(_prefix, may_be_left_out=True),
    "max_failed_replicas": Argument(partial(whole_number, minimum=0)),
    "fail_fast": _FLAG,
    "wait_for_completion": _FLAG,
    "on_clear": Argument(partial(one_of, choices=ON_CLEAR)),
    "logging_interval": Argument(_DURATION, may_be_left_out=True),
    "max_logged_replicas": Argument(_COUNT),
    "record_within": Argument(seconds),
    "max_log_bytes": Argument(partial(whole_number, minimum=0), may_be_left_out=True),
    "on_finish_action": Argument(partial(one_of, choices=ON_FINISH_ACTIONS)),
}

#: What is rendered as text even where the DAG renders templates as native objects.
TEXT_FIELDS = ("name", "command", "cmd", "args", "env", "account_sessions_prefix")

#: What a function replaces in its decorators.
COMMAND_ARGUMENTS = ("command", "cmd", "args")

CMD_FUNCTION: Mapping[str, Argument] = {
    name: argument for name, argument in HEADLESS.items() if name not in COMMAND_ARGUMENTS
}

FUNCTION: Mapping[str, Argument] = {
    **CMD_FUNCTION,
    # Left out, one session returns one result.
    "replicas": replace(HEADLESS["replicas"], may_be_left_out=True),
    "python": _TEXT,
    "wait_for_completion": Argument(_must_wait),
}

INTERACTIVE: Mapping[str, Argument] = {
    **COMMON,
    "kind": Argument(_kind),
    "wait_for_quota": _FLAG,
    "wait_for_url": _FLAG,
    "keep_alive_for": Argument(_DURATION, may_be_left_out=True),
}


def template_fields_of(arguments: Mapping[str, Argument]) -> tuple[str, ...]:
    """Return the arguments that Airflow renders."""
    return tuple(name for name, argument in arguments.items() if argument.is_template)
