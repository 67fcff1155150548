r"""Variables that the server would not deliver unchanged, packed into variables that it does.

Values may be secret, and everybody on a node sees the arguments of its processes (``ps``). So a value never
travels in an argument: what the server would change becomes a line of POSIX shell, whose base64 is sent as
``CANFAR_ENV_1``, ``CANFAR_ENV_2`` and so on::

    export GREETING='it'\''s me' HOME='/scratch';set -- 'spring.profile=test'

The bootstrap unsets these variables, and evaluates the line: ``export`` sets variables within the shell, and
so without a process whose arguments would show them. A shell cannot ``export`` every name, though. Names that
are no identifiers, and those that some shell or loader uses itself, become arguments of env(1), which shows
them for the moment that it takes to start the program.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.command.passthrough import name_problem, value_problem
from airflow_provider_canfar.skaha.command.shell_text import chunks_of, quoted, unpadded_base64_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PREFIX = "CANFAR_ENV_"
_PACKED = re.compile(rf"{_PREFIX}[0-9]+")

# In front of each value. No number has this letter, so kubectl reads none.
_MARK = "v"

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# What dash, bash, mksh or the shell of busybox sets, makes read-only or obeys (their manuals, and what "set"
# prints in an empty environment); and what the loader and libc of the bootstrap's own
# programs obey (ld.so(8)).
_SHELL_NAME = re.compile(
    r"""
    _ | CDPATH | COLUMNS | COPROC | DIRSTACK | EDITOR | ENV | EPOCHREALTIME | EPOCHSECONDS | EUID
    | EXECIGNORE | EXECSHELL | FCEDIT | FIGNORE | FPATH | FUNCNAME | FUNCNEST | GCONV_PATH | GLOBIGNORE
    | GLOBSORT | GROUPS | HOSTFILE | HOSTNAME | HOSTTYPE | IFS | IGNOREEOF | INPUTRC | LANG | LANGUAGE
    | LINENO | LINES | LOCPATH | MACHTYPE | MAPFILE | NLSPATH | OLDPWD | OSTYPE | PATH | PATHSEP | PGRP
    | PIPESTATUS | POSIXLY_CORRECT | PPID | PS[0-9] | PWD | RANDOM | REPLY | SECONDS | SHELL | SHELLOPTS
    | SHLVL | SRANDOM | TERM | TIMEFORMAT | TMOUT | UID | USER_ID | VISUAL | auto_resume | histchars
    | (BASH|COMP_|GLIBC_|HIST|KSH|LC_|LD_|MAIL|MALLOC_|OPT|PROMPT_|READLINE_) .*
    """,
    re.VERBOSE | re.DOTALL,
)


def passes_outside(name: str, value: str) -> bool:
    """Whether the server, and the shell of a bootstrap, hand on a variable as it is.

    >>> passes_outside("BAND", "r"), passes_outside("PATH", "/opt/bin"), passes_outside("BAND", "a=b")
    (True, False, False)
    """
    is_free = _is_exportable(name) and not _PACKED.fullmatch(name)
    return is_free and name_problem(name) is None and value_problem(value) is None


def pack(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables to send for others, by name.

    :param variables: names without ``=``, and values; both without NUL.
    """
    if not variables:
        return {}
    exported = [f"{name}={quoted(value)}" for name, value in variables.items() if _is_exportable(name)]
    operands = [quoted(f"{name}={value}") for name, value in variables.items() if not _is_exportable(name)]
    script = " ".join(["set --", *operands])
    if exported:
        script = f"export {' '.join(exported)};{script}"
    chunks = chunks_of(unpadded_base64_of(script))
    return {f"{_PREFIX}{number}": f"{_MARK}{chunk}" for number, chunk in enumerate(chunks, start=1)}


def unpack_script(names: Iterable[str]) -> str:
    """Return the POSIX shell that sets packed variables, and leaves the operands for env(1) in ``"$@"``.

    :param names: the names that :func:`pack` has returned.

    >>> print(unpack_script(["CANFAR_ENV_1"]))
    : "${CANFAR_ENV_1?}";eval "unset CANFAR_ENV_1;$(echo "${CANFAR_ENV_1#v}"|base64 -d)"
    """
    names = list(names)
    # Without one of them, the shell says so and exits: no program runs without its variables.
    required = " ".join(f'"${{{name}?}}"' for name in names)
    values = "".join(f"${{{name}#{_MARK}}}" for name in names)
    # echo, because mksh has no printf of its own, and that of another process would show the values.
    return f': {required};eval "unset {" ".join(names)};$(echo "{values}"|base64 -d)"'


def _is_exportable(name: str) -> bool:
    """Whether a shell can set a variable by ``export``, with no effect but that."""
    return bool(_IDENTIFIER.fullmatch(name)) and not _SHELL_NAME.fullmatch(name)
