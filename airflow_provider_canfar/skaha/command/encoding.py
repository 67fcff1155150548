"""From a command line and an environment to the ``cmd``, ``args`` and ``env`` that survive the server.

What is certain to arrive as it is (:mod:`~airflow_provider_canfar.skaha.command.passthrough`) is sent as it is, so that
simple sessions look simple in the portal. Anything else is carried by a shell
(:mod:`~airflow_provider_canfar.skaha.command.bootstrap`). What nothing can carry is refused, before any request.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.command.bootstrap import SHELL, bootstrap_args
from airflow_provider_canfar.skaha.command.limits import MAX_PLAIN_VARIABLES, check_encoded, check_strings
from airflow_provider_canfar.skaha.command.passthrough import fault_in_name, fault_in_value, fault_in_word
from airflow_provider_canfar.skaha.errors import SpecError
from airflow_provider_canfar.skaha.validation import REPLICA_VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterator


class CommandEncoding(StrEnum):
    """How a command travels.

    ``auto``: as it is when every word is certain to arrive so, and otherwise through the bootstrap.
    ``plain``: as it is, or refused; for images without ``base64`` or ``env``.
    ``bootstrap``: through the bootstrap, whatever the words.
    """

    AUTO = "auto"
    PLAIN = "plain"
    BOOTSTRAP = "bootstrap"


@dataclass(frozen=True, slots=True, repr=False)
class Parameters:
    """What to post. The ``repr`` shows neither arguments nor values, which are the user's.

    :param cmd: the program; None for the image's own entry point.
    :param args: its arguments, with a space between them; None for no arguments (an empty text would be one).
    :param env: names and values, each to be posted as a parameter ``env`` of its own, ``NAME=value``.
    """

    cmd: str | None
    args: str | None
    env: tuple[tuple[str, str], ...]

    def __repr__(self) -> str:
        args = None if self.args is None else f"<{len(self.args)} characters>"
        names = ", ".join(name for name, _ in self.env)
        return f"Parameters(cmd={self.cmd!r}, args={args}, env=<{names}>)"


def encode(
    *,
    command: Sequence[str] | None = None,
    cmd: str | None = None,
    args: str | Sequence[str] | None = None,
    env: Mapping[str, str] | None = None,
    command_encoding: str = CommandEncoding.AUTO,
) -> Parameters:
    """Encode what is to run in a session, so that it arrives as it was written.

    Give ``command``; or ``cmd`` and ``args``, as the platform's own client has them; or neither, or ``args``
    alone, for the image's own entry point, which only plain words can reach.

    :param command: the program and its arguments, one string each.
    :param cmd: the program: one word, which is not split.
    :param args: its arguments: a list with one string for each; or one string, which is split as a POSIX
        shell splits words (the server by itself would split at each space, quotes or not).
    :param env: variables to set: any that an environment can hold, also those that the platform sets itself,
        such as HOME.
    :param command_encoding: a :class:`CommandEncoding`, or its word.
    :raises SpecError: for what nothing can carry, for more than the platform takes, and for what does not
        arrive as it is where the bootstrap is ruled out. No message tells the value of a variable.

    >>> encode(command=["python3", "run.py", "--tile=7"]).args
    'run.py --tile=7'
    >>> encode(cmd="echo", args=["Hello, World!"]).cmd
    '/bin/sh'
    """
    chosen = _command_encoding(command_encoding)
    words = _words_of(command, cmd, args)
    variables = _variables_of(env)
    check_strings(words | {f"env[{name!r}]": f"{name}={value}" for name, value in variables.items()})
    program = _program_of(words) if command is not None or cmd is not None else None
    arguments = list(words.values())[0 if program is None else 1 :]
    fault = _why_bootstrap(chosen, words, variables)
    if fault is None:
        # The server makes one empty argument of an empty string (PostAction.getHeadlessImageBundle).
        parameters = Parameters(program, " ".join(arguments) or None, tuple(variables.items()))
    elif program is None:
        raise SpecError(
            f"{fault}. Without a program, the image's own entry point runs, and only plain words reach it. "
            "Name the program in command to have anything carried."
        )
    elif chosen is CommandEncoding.PLAIN:
        raise SpecError(f"{fault}. Leave command_encoding at 'auto', and a bootstrap in /bin/sh carries it.")
    else:
        parameters = _bootstrapped([program, *arguments], variables)
    check_encoded(parameters.cmd, parameters.args, parameters.env)
    return parameters


def _command_encoding(command_encoding: str) -> CommandEncoding:
    try:
        return CommandEncoding(command_encoding)
    except ValueError:
        choices = ", ".join(repr(str(choice)) for choice in CommandEncoding)
        raise SpecError(
            f"There is no command_encoding {command_encoding!r}. Choose one of {choices}."
        ) from None


def _words_of(
    command: Sequence[str] | None, cmd: str | None, args: str | Sequence[str] | None
) -> dict[str, str]:
    """Put the words of the command line in order, each by the name its author knows it by."""
    if command is None:
        program = {} if cmd is None else {"cmd": _text("cmd", cmd)}
        if args is None:
            return program
        return program | _elements("args", _split(args) if isinstance(args, str) else args)
    if cmd is not None or args is not None:
        raise SpecError(
            "command was given together with cmd or args. "
            "Give command=[program, argument, ...], or cmd and args, but not both."
        )
    if isinstance(command, str):
        raise SpecError(
            "command is one string, and nothing says how to split it. Give a list with one string for each "
            "argument: shlex.split(command), or ['sh', '-c', command] if a shell shall read it."
        )
    if words := _elements("command", command):
        return words
    raise SpecError("command is empty. Name a program, or leave command out for the image's own entry point.")


def _split(args: str) -> list[str]:
    try:
        return shlex.split(args)
    except ValueError as error:
        raise SpecError(
            f"args cannot be split as a shell would: {error}. Give a list with one string for each argument."
        ) from None


def _elements(where: str, words: object) -> dict[str, str]:
    if not isinstance(words, Sequence) or isinstance(words, bytes):
        raise SpecError(
            f"{where} is of type {type(words).__name__}. Give a list with one string for each argument."
        )
    return {f"{where}[{index}]": _text(f"{where}[{index}]", word) for index, word in enumerate(words)}


def _text(where: str, value: object) -> str:
    if not isinstance(value, str):
        raise SpecError(
            f"{where} is of type {type(value).__name__}. Give a string; str() makes one of a number."
        )
    return value


def _variables_of(env: object) -> dict[str, str]:
    if env is None:
        return {}
    if not isinstance(env, Mapping):
        raise SpecError(f"env is of type {type(env).__name__}. Give a mapping of names to values.")
    variables = {_text("A name in env", name): _text(f"env[{name!r}]", value) for name, value in env.items()}
    for name in variables:
        if not name or "=" in name:
            # What is behind the "=" may have been meant for a value.
            fault = f"starts with {name.partition('=')[0]!r} and has a '='" if name else "is empty"
            raise SpecError(
                f"A name in env {fault}, which no environment can hold. Give names without '=', and values."
            )
    return variables


def _program_of(words: Mapping[str, str]) -> str:
    where, program = next(iter(words.items()))
    if not program:
        raise SpecError(f"{where} is empty. Name a program, or leave it out for the image's own entry point.")
    return program


def _why_bootstrap(
    chosen: CommandEncoding, words: Mapping[str, str], variables: Mapping[str, str]
) -> str | None:
    if chosen is CommandEncoding.BOOTSTRAP:
        return "command_encoding='bootstrap' needs a program to start"
    return next(_plain_faults(words, variables), None)


def _plain_faults(words: Mapping[str, str], variables: Mapping[str, str]) -> Iterator[str]:
    for where, word in words.items():
        if fault := fault_in_word(word):
            yield f"{where} would not arrive as it is: {fault}"
    for name, value in variables.items():
        if fault := fault_in_name(name) or fault_in_value(value):
            yield f"env[{name!r}] would not arrive as it is: {fault}"
    if len(variables) > MAX_PLAIN_VARIABLES:
        yield f"env has {len(variables):,} variables, and the server reads {MAX_PLAIN_VARIABLES:,} of them"


def _bootstrapped(argv: list[str], variables: Mapping[str, str]) -> Parameters:
    # What tells replicas apart stays outside, so that all have the same args. All else travels inside: no
    # PATH of the user's can mislead the bootstrap, and no HOME of the platform's can come after the user's.
    outside = {
        name: value
        for name, value in variables.items()
        if name in REPLICA_VARIABLES and not fault_in_value(value)
    }
    inside = {name: value for name, value in variables.items() if name not in outside}
    return Parameters(SHELL, bootstrap_args(argv, inside), tuple(outside.items()))
