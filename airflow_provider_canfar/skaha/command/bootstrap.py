r"""The bootstrap: plain words that become, inside the container, any command at all.

The session runs ``/bin/sh -c OUTER sh CHUNK CHUNK ...``. The chunks are the base64 of one line of POSIX
shell, and that line *is* the command::

    exec env -- 'GREETING=it'\''s me' 'python' '-c' 'print("$HOME")'

It execs all the way: the program replaces the shell, so SIGTERM reaches it, its exit code is the session's,
and its stdin is untouched. Every image that the platform can run has ``/bin/sh`` (the platform's own init
container starts it in the user's image); it must have ``base64`` and ``env`` too, which come with coreutils
and busybox. Without ``base64`` the log says ``base64: not found``, and the exit code is 127. A program with
``=`` in its name needs ``nice`` as well, if a variable has a name that a shell would not pass on.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: The ``cmd`` of the session.
SHELL = "/bin/sh"

# Linux accepts 131,071 bytes in one argument (MAX_ARG_STRLEN); the rest is a margin.
_CHUNK_LENGTH = 100_000


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


# printf is a builtin of the shell, which no limit on the length of a command line applies to.
_INNER = 'eval "$(printf %s "$@"|base64 -d)"'

# For the server this must be one word, so TAB stands for the space; and it has none of ", \ and $, which the
# server's YAML and replaceAll eat. If the server ever splits at TAB, sh gets a lone "{", and fails.
_OUTER = f"{{\teval\t`echo\t{_base64(_INNER)}|base64\t-d`;exit\t127;}}"


# What dash, bash, busybox or mksh set by themselves, or read at their start, and so may change or drop.
_OF_SHELLS = re.compile(
    "_|BASH.*|COLUMNS|DIRSTACK|E?UID|ENV|FCEDIT|FUNCNAME|FUNCNEST|GROUPS|HIST.*|HOSTNAME|HOSTTYPE|IFS|KSH.*|"
    "LINENO|LINES|MACHTYPE|MAIL.*|OLDPWD|OPTARG|OPTERR|OPTIND|OSTYPE|PATHSEP|PGRP|PIPESTATUS|POSIXLY_CORRECT|"
    "PPID|PS[0-9]|PWD|RANDOM|REPLY|SECONDS|SHELLOPTS|SHLVL|TMOUT|USER_ID|EPOCH.*|SRANDOM|EXECSHELL|TIMEFORMAT"
)


def bootstrap_args(argv: Sequence[str], env: Mapping[str, str]) -> str:
    """Return the ``args`` with which :data:`SHELL` becomes a command.

    :param argv: the program, looked up in PATH unless it has a ``/``, and its arguments; without NUL.
    :param env: variables to set for it: names without ``=``, and values; both without NUL.
    :raises SpecError: for a program whose name starts with ``-`` and contains ``=``; use its path.
    """
    return " ".join(["-c", _OUTER, "sh", *_chunks(_base64(script(argv, env)))])


def script(argv: Sequence[str], env: Mapping[str, str]) -> str:
    """Return the line of POSIX shell that becomes the command.

    >>> script(["echo", "Hello, World!"], {"N": "1"})
    "exec env -- 'N=1' 'echo' 'Hello, World!'"
    """
    # env, since export cannot set a.b, UID or PPID; and its "--", since dash has no "exec --".
    assignments = [_quoted(f"{name}={value}") for name, value in env.items()]
    words = [*map(_quoted, argv)]
    if "=" not in argv[0] and argv[0] != "-":
        return " ".join(["exec env --", *assignments, *words])
    if argv[0].startswith("-") and argv[0] != "-":
        raise SpecError(
            f"Invalid program {argv[0]!r}: env would read it as an option. "
            f"Use its path, such as {'./' + argv[0]!r}."
        )
    return " ".join(["set --", *words, ";", _guard(env), "exec env --", *assignments, '"$@"'])


def _guard(names: Iterable[str]) -> str:
    """Keep env from reading the program as an assignment, or a lone ``-`` as its option ``-i``.

    :param names: of the variables that env sets.
    """
    # nice execs what follows. It is looked up here, before env sets the user's PATH.
    nice = 'if command -v nice >/dev/null; then set -- "$(command -v nice)" -n 0 "$@"'
    if all(map(_keeps, names)):
        # Some builds of busybox, such as Debian's, have no nice. A shell execs what follows, too.
        return f"""{nice}; else set -- {SHELL} -c 'exec "$@"' sh "$@"; fi;"""
    complaint = "nice: not found; a program with = in its name needs it, or other names of variables in env"
    return f"{nice}; else echo '{complaint}' >&2; exit 127; fi;"


def _keeps(name: str) -> bool:
    """Whether every shell passes a variable on unchanged, as it means nothing to the shell itself."""
    return re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name) is not None and not _OF_SHELLS.fullmatch(name)


def _quoted(text: str) -> str:
    # Between single quotes, every character but the single quote is itself (POSIX.1-2017, XCU 2.2.2).
    return "'" + text.replace("'", "'\\''") + "'"


def _chunks(text: str) -> list[str]:
    # All of about the same length, because kubectl might read a short last one as a number, such as 0o17.
    count = -(-len(text) // _CHUNK_LENGTH)
    length = -(-len(text) // count)
    return [text[start : start + length] for start in range(0, len(text), length)]
