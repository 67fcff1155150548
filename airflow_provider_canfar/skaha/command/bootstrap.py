r"""The bootstrap: plain words that become, inside the container, any command at all.

The session runs ``/bin/sh -c OUTER sh CHUNK CHUNK ...``. The chunks are the base64 of one line of POSIX
shell, and that line *is* the command::

    exec env -- 'GREETING=it'\''s me' 'python' '-c' 'print("$HOME")'

It execs all the way: the program replaces the shell, so SIGTERM reaches it, its exit code is the session's,
and its stdin is untouched. Every image that the platform can run has ``/bin/sh`` (the platform's own init
container starts it in the user's image); it must have ``base64`` and ``env`` too, which come with coreutils
and busybox. Without ``base64`` the log says ``base64: not found``, and the exit code is 127.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
    return " ".join(["exec env --", *assignments, *_guard(argv[0]), *map(_quoted, argv)])


def _guard(program: str) -> list[str]:
    """Keep env from reading the program as an assignment, or a lone ``-`` as its option ``-i``."""
    if "=" not in program and program != "-":
        return []
    if program.startswith("-") and program != "-":
        raise SpecError(
            f"Invalid program {program!r}: env would read it as an option. "
            f"Use its path, such as {'./' + program!r}."
        )
    # nice execs what follows. (A shell would change the variables: dash drops what it could not have set.)
    # It is looked up here, before env sets the user's PATH; if it is missing, the log says so (127).
    return ['"$(command -v nice || echo nice)"', "-n", "0"]


def _quoted(text: str) -> str:
    # Between single quotes, every character but the single quote is itself (POSIX.1-2017, XCU 2.2.2).
    return "'" + text.replace("'", "'\\''") + "'"


def _chunks(text: str) -> list[str]:
    # All of about the same length, because kubectl might read a short last one as a number, such as 0o17.
    count = -(-len(text) // _CHUNK_LENGTH)
    length = -(-len(text) // count)
    return [text[start : start + length] for start in range(0, len(text), length)]
