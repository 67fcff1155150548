"""From a command line and an environment to the ``cmd``, ``args`` and ``env`` that survive the server.

What is certain to arrive unchanged (:mod:`~.passthrough`) is sent as it is, so that simple sessions look
simple in the portal. Otherwise the command travels in a shell script (:mod:`~.bootstrap`), and the variables
that need it are packed into others (:mod:`~.packed_env`). What nothing can carry is rejected before any
request.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from airflow_provider_canfar.skaha.command.bootstrap import SHELL, bootstrap_args
from airflow_provider_canfar.skaha.command.limits import MAX_PLAIN_VARIABLES, check_encoded, check_strings
from airflow_provider_canfar.skaha.command.packed_env import pack, passes_outside
from airflow_provider_canfar.skaha.command.passthrough import name_problem, value_problem, word_problem
from airflow_provider_canfar.skaha.errors import SpecError
from airflow_provider_canfar.skaha.validation import REPLICA_VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterator


class CommandEncoding(StrEnum):
    """How a command travels.

    ``auto``: as it is if every word is certain to arrive unchanged, and otherwise through the bootstrap.
    ``plain``: as it is, or not at all; for images without ``base64`` or ``env``.
    ``bootstrap``: through the bootstrap, whatever the words.
    """

    AUTO = "auto"
    PLAIN = "plain"
    BOOTSTRAP = "bootstrap"


@dataclass(frozen=True, slots=True, repr=False)
class Parameters:
    """The parameters to post. The ``repr`` shows neither arguments nor values, which are the user's.

    :param cmd: the program; None for the image's own entry point.
    :param args: its arguments, with a space between them; None for no arguments (an empty text would be one).
    :param env: names and values, each to be posted as a parameter ``env`` of its own, ``NAME=value``.
    """

    cmd: str | None
    args: str | None
    env: tuple[tuple[str, str], ...]
    #: All of them as a part of a form, percent-encoded.
    form: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "form", urlencode(self.pairs))

    def __repr__(self) -> str:
        args = None if self.args is None else f"<{len(self.args)} characters>"
        names = ", ".join(name for name, _ in self.env)
        return f"Parameters(cmd={self.cmd!r}, args={args}, env=<{names}>)"

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Names and values of the parameters."""
        pairs = [("cmd", self.cmd), ("args", self.args)]
        pairs += [("env", f"{name}={value}") for name, value in self.env]
        return [(name, value) for name, value in pairs if value is not None]


def encode(
    *,
    command: Sequence[str] | None = None,
    cmd: str | None = None,
    args: str | Sequence[str] | None = None,
    env: Mapping[str, str] | None = None,
    command_encoding: str = CommandEncoding.AUTO,
) -> Parameters:
    """Encode what runs in a session, so that it arrives as written.

    Give ``command``; or ``cmd`` and ``args``, as in the platform's own client; or neither, or ``args`` alone,
    for the image's own entry point, which only plain words can reach.

    :param command: the program and its arguments, one string each.
    :param cmd: the program: one word, which is not split.
    :param args: its arguments: a list with one string for each; or one string, which is split as a POSIX
        shell splits words (the server by itself would split at each space, quotes or not).
    :param env: variables to set: any that an environment can hold, including those that the platform sets
        itself, such as HOME.
    :param command_encoding: a :class:`CommandEncoding`, or its word.
    :raises SpecError: for what nothing can carry, for more than the platform accepts, and for what does not
        arrive unchanged if the bootstrap is ruled out. No message contains the value of a variable.

    >>> encode(command=["python3", "run.py", "--tile=7"]).args
    'run.py --tile=7'
    >>> encode(cmd="echo", args=["Hello, World!"]).cmd
    '/bin/sh'
    """
    encoding = _parse_encoding(command_encoding)
    words = _words_of(command, cmd, args)
    variables = _variables_of(env)
    check_strings(words | {f"env[{name!r}]": f"{name}={value}" for name, value in variables.items()})
    program = _program_of(words) if command is not None or cmd is not None else None
    arguments = list(words.values())[0 if program is None else 1 :]
    problem = _reason_to_bootstrap(encoding, words, variables)
    if problem is None:
        # The server makes one empty argument of an empty string (PostAction.getHeadlessImageBundle).
        parameters = Parameters(program, " ".join(arguments) or None, tuple(variables.items()))
    elif program is None:
        raise SpecError(
            f"{problem}. Without a program, the image's own entry point runs, and only plain words reach it. "
            "Name the program in command: then any argument arrives."
        )
    elif encoding is CommandEncoding.PLAIN:
        raise SpecError(
            f"{problem}. Leave command_encoding at 'auto', and a bootstrap in /bin/sh carries it."
        )
    else:
        parameters = _bootstrapped([program, *arguments], variables)
    check_encoded(parameters.pairs, parameters.form)
    return parameters


def _parse_encoding(command_encoding: str) -> CommandEncoding:
    try:
        return CommandEncoding(command_encoding)
    except ValueError:
        raise SpecError(
            f"Invalid command_encoding {command_encoding!r}: must be one of {', '.join(CommandEncoding)}."
        ) from None


def _words_of(
    command: Sequence[str] | None, cmd: str | None, args: str | Sequence[str] | None
) -> dict[str, str]:
    """Return the words of the command line in order, each by the name that its author knows it by."""
    if command is None:
        program = {} if cmd is None else {"cmd": _string("cmd", cmd)}
        if args is None:
            return program
        return program | _elements("args", _split(args) if isinstance(args, str) else args)
    if cmd is not None or args is not None:
        raise SpecError(
            "Invalid command together with cmd or args: must be one or the other. "
            "Give command=[program, argument, ...], or cmd and args."
        )
    if isinstance(command, str):
        raise SpecError(
            "Invalid command: must be a list, as nothing says how to split a string. "
            "Give a list with one string for each argument: shlex.split(command), "
            "or ['sh', '-c', command] for a shell to run it."
        )
    if words := _elements("command", command):
        return words
    raise SpecError(
        "Invalid command: must not be empty. Name a program, or omit command for the image's own entry point."
    )


def _split(args: str) -> list[str]:
    try:
        return shlex.split(args)
    except ValueError as error:
        raise SpecError(
            f"Invalid args: a shell cannot split it ({error}). Give a list with one string for each argument."
        ) from None


def _elements(where: str, words: object) -> dict[str, str]:
    if not isinstance(words, Sequence) or isinstance(words, bytes):
        raise SpecError(
            f"Invalid {where}: must be a list, not {type(words).__name__}. "
            "Give a list with one string for each argument."
        )
    return {f"{where}[{index}]": _string(f"{where}[{index}]", word) for index, word in enumerate(words)}


def _string(where: str, value: object) -> str:
    if not isinstance(value, str):
        raise SpecError(
            f"Invalid {where}: must be a string, not {type(value).__name__}. Use str() for a number."
        )
    return value


def _variables_of(env: object) -> dict[str, str]:
    if env is None:
        return {}
    if not isinstance(env, Mapping):
        raise SpecError(
            f"Invalid env: must be a mapping, not {type(env).__name__}. Give a mapping of names to values."
        )
    variables = {
        _string("name in env", name): _string(f"env[{name!r}]", value) for name, value in env.items()
    }
    for name in variables:
        if not name or "=" in name:
            # What is behind the "=" may have been meant for a value.
            where = f"starting with {name.partition('=')[0]!r}" if name else "''"
            raise SpecError(
                f"Invalid name in env {where}: must not be empty or contain '=', which no environment can "
                "hold. Give names, and values apart from them."
            )
    return variables


def _program_of(words: Mapping[str, str]) -> str:
    where, program = next(iter(words.items()))
    if not program:
        raise SpecError(
            f"Invalid {where}: must not be empty. Name a program, or omit it for the image's own entry point."
        )
    return program


def _reason_to_bootstrap(
    encoding: CommandEncoding, words: Mapping[str, str], variables: Mapping[str, str]
) -> str | None:
    if encoding is CommandEncoding.BOOTSTRAP:
        return "command_encoding='bootstrap' needs a program to start"
    return next(_plain_problems(words, variables), None)


def _plain_problems(words: Mapping[str, str], variables: Mapping[str, str]) -> Iterator[str]:
    for where, word in words.items():
        if problem := word_problem(word):
            yield f"{where} would not arrive unchanged: {problem}"
    for name, value in variables.items():
        if problem := name_problem(name) or value_problem(value):
            yield f"env[{name!r}] would not arrive unchanged: {problem}"
    if len(variables) > MAX_PLAIN_VARIABLES:
        yield f"env has {len(variables):,} variables, and the server reads only {MAX_PLAIN_VARIABLES:,}"


def _bootstrapped(argv: list[str], variables: Mapping[str, str]) -> Parameters:
    # Values may be secret, so none travels in the arguments, which everyone on a node sees. The variables
    # that distinguish replicas are never packed, so that all replicas of a launch have the rest in common.
    outside = {name: value for name, value in variables.items() if passes_outside(name, value)}
    if len(outside) > MAX_PLAIN_VARIABLES:
        outside = {name: value for name, value in outside.items() if name in REPLICA_VARIABLES}
    packed = pack({name: value for name, value in variables.items() if name not in outside})
    return Parameters(SHELL, bootstrap_args(argv, packed), (*packed.items(), *outside.items()))
