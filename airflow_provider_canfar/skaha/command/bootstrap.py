r"""The bootstrap: plain words that become, inside the container, any command at all.

The session runs ``/bin/sh -c OUTER sh CHUNK CHUNK ...``. The chunks are the base64 of one line of POSIX
shell, and that line *is* the command::

    exec env -- 'python' '-c' 'print("$HOME")'

It execs all the way: the program replaces the shell, so SIGTERM reaches it, its exit code is the session's,
and its stdin is untouched. Variables that the server would change are unpacked first, from variables
(:mod:`~.packed_env`).

Every image that the platform can run has ``/bin/sh`` (the platform's own init container starts it in the
user's image); it must have ``base64`` and ``env`` too, which come with coreutils and busybox. Without
``base64`` the log says ``base64: not found``, and the exit code is 127. A program with ``=`` in its name
needs ``nice`` as well, if env(1) has to set a variable that a shell would not pass on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.command.packed_env import unpack_script
from airflow_provider_canfar.skaha.command.shell_text import base64_of, chunks_of, quoted
from airflow_provider_canfar.skaha.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

#: The ``cmd`` of the session.
SHELL = "/bin/sh"

# printf is a builtin of the shell, which no limit on the length of a command line applies to.
_INNER = 'eval "$(printf %s "$@"|base64 -d)"'

# For the server this must be one word, so TAB stands for the space; and it has none of ", \ and $, which the
# server's YAML and replaceAll eat. If the server ever splits at TAB, sh gets a lone "{", and fails.
_OUTER = f"{{\teval\t`echo\t{base64_of(_INNER)}|base64\t-d`;exit\t127;}}"


_NICE_IS_MISSING = (
    "nice: not found; a program with = in its name needs it, or other names of variables in env"
)


def bootstrap_args(argv: Sequence[str], packed: Collection[str] = ()) -> str:
    """Return the ``args`` with which :data:`SHELL` becomes a command.

    :param argv: the program, looked up in PATH unless it has a ``/``, and its arguments; without NUL.
    :param packed: the names of the variables that hold packed ones.
    :raises SpecError: for a program whose name starts with ``-`` and contains ``=``; use its path.
    """
    return " ".join(["-c", _OUTER, "sh", *chunks_of(base64_of(script(argv, packed)))])


def script(argv: Sequence[str], packed: Collection[str] = ()) -> str:
    """Return the line of POSIX shell that becomes the command.

    >>> script(["echo", "Hello, World!"])
    "exec env -- 'echo' 'Hello, World!'"
    """
    steps = [unpack_script(packed)] if packed else []
    if guard := _guard(argv[0]):
        # Without packed variables, "$@" still has the chunks.
        steps += [guard] if packed else ["set --", guard]
    # env, because export cannot set a.b, UID or PPID; and for its "--", because dash has no "exec --".
    operands = ['"$@"'] if steps else []
    return ";".join([*steps, " ".join(["exec env --", *operands, *map(quoted, argv)])])


def _guard(program: str) -> str | None:
    """Keep env from reading the program as an assignment, or a lone ``-`` as its option ``-i``."""
    if "=" not in program and program != "-":
        return None
    if program.startswith("-") and program != "-":
        raise SpecError(
            f"Invalid program {program!r}: env would read it as an option. "
            f"Use its path, such as {'./' + program!r}."
        )
    # nice execs what follows. It is looked up here, before env sets the user's PATH. Some builds of busybox,
    # such as Debian's, have none. A shell execs what follows, too, but changes what only env can set.
    return (
        'if command -v nice >/dev/null;then set -- "$@" "$(command -v nice)" -n 0;'
        f"""elif [ $# = 0 ];then set -- {SHELL} -c 'exec "$@"' sh;"""
        f"else echo '{_NICE_IS_MISSING}' >&2;exit 127;fi"
    )
