"""How much of a command Linux can start, and how much of its encoding the platform takes."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from airflow_provider_canfar.skaha.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Bytes in one argument or one ``NAME=value`` (Linux: MAX_ARG_STRLEN, less the closing NUL).
MAX_STRING_BYTES = 131_071

#: Bytes in all arguments and variables of a program, with a NUL and a pointer of 8 bytes for each (Linux: a
#: quarter of the stack, which usually has 8 MiB), less 128 KiB for what the image and the platform set.
MAX_PROCESS_BYTES = 2 * 1024 * 1024 - 128 * 1024

#: Bytes in the encoded command: Kubernetes takes objects of 1.5 MiB, and the session has other fields.
MAX_ENCODED_BYTES = 1_400_000

#: Bytes in the form that carries it (Tomcat: maxPostSize), less 8 KiB for the other fields. With one byte
#: more, all parameters silently vanish.
MAX_FORM_BYTES = 2 * 1024 * 1024 - 8 * 1024

#: Variables sent as they are, each in a parameter of its own. Tomcat reads 10,000 parameters
#: (maxParameterCount) and silently drops the rest.
MAX_PLAIN_VARIABLES = 9_900


def check_strings(strings: Mapping[str, str]) -> None:
    """Refuse what Linux cannot start a program with, however it gets there.

    :param strings: each argument and each ``NAME=value``, by the name its author knows it by.
    :raises SpecError: with the limit named, and without the string.
    """
    total = 0
    for where, text in strings.items():
        size = _size_of(where, text)
        if size > MAX_STRING_BYTES:
            raise SpecError(
                f"{where} has {size:,} bytes; an argument or a NAME=value can have {MAX_STRING_BYTES:,}. "
                "Pass it in a file."
            )
        total += size + 1 + 8
    if total > MAX_PROCESS_BYTES:
        raise SpecError(
            f"The command and its variables have {total:,} bytes; Linux can start a program with "
            f"{MAX_PROCESS_BYTES:,}. Pass some of them in a file."
        )


def _size_of(where: str, text: str) -> int:
    if "\0" in text:
        raise SpecError(f"{where} has a NUL character, at which every argument ends. Pass it in a file.")
    try:
        return len(text.encode())
    except UnicodeEncodeError as error:
        raise SpecError(
            f"{where} has a lone surrogate at index {error.start}, which is no text. Pass it in a file."
        ) from None


def check_encoded(cmd: str | None, args: str | None, env: Iterable[tuple[str, str]]) -> None:
    """Refuse an encoded command that the platform would not take whole.

    :raises SpecError: with the limits named.
    """
    fields = [("cmd", cmd or ""), ("args", args or ""), *(("env", f"{name}={value}") for name, value in env)]
    encoded = sum(len(value) for _, value in fields)
    posted = len(urlencode(fields))
    if encoded > MAX_ENCODED_BYTES or posted > MAX_FORM_BYTES:
        raise SpecError(
            f"The encoded command has {encoded:,} bytes, and {posted:,} in a form; the platform takes "
            f"{MAX_ENCODED_BYTES:,} and {MAX_FORM_BYTES:,}: about 1 MB as written. Pass some of it in a file."
        )
