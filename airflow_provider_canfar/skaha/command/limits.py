"""How large a command Linux can start, and how large an encoding the platform accepts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Bytes in one argument or one ``NAME=value`` (Linux: MAX_ARG_STRLEN, less the closing NUL).
MAX_STRING_BYTES = 131_071

#: Bytes in all arguments and variables of a program, with a NUL and a pointer of 8 bytes for each (Linux: a
#: quarter of the stack, which usually has 8 MiB), less 128 KiB for what the image and the platform set.
MAX_PROCESS_BYTES = 2 * 1024 * 1024 - 128 * 1024

#: Bytes in the encoded command: Kubernetes accepts objects of 1.5 MiB, and the session has other fields.
MAX_ENCODED_BYTES = 1_400_000

#: Bytes in the form that carries it (Tomcat: maxPostSize), less 8 KiB for the other fields. With one byte
#: more, all parameters silently vanish.
MAX_FORM_BYTES = 2 * 1024 * 1024 - 8 * 1024

#: Variables sent as they are, each in a parameter of its own. Tomcat reads 10,000 parameters
#: (maxParameterCount) and silently drops the rest.
MAX_PLAIN_VARIABLES = 9_900


def check_strings(strings: Mapping[str, str]) -> None:
    """Reject strings that Linux cannot start a program with, however they get there.

    :param strings: each argument and each ``NAME=value``, by the name that its author knows it by.
    :raises SpecError: with the limit, and without the string.
    """
    total = 0
    for where, text in strings.items():
        size = _size_of(where, text)
        if size > MAX_STRING_BYTES:
            raise SpecError(
                f"Invalid {where}: must have at most {MAX_STRING_BYTES:,} bytes, as any argument or "
                f"NAME=value; it has {size:,}. Pass it in a file."
            )
        total += size + 1 + 8
    if total > MAX_PROCESS_BYTES:
        raise SpecError(
            f"Invalid command: it and its variables must have at most {MAX_PROCESS_BYTES:,} bytes for "
            f"Linux to start it; they have {total:,}. Pass some of them in a file."
        )


def _size_of(where: str, text: str) -> int:
    if "\0" in text:
        raise SpecError(
            f"Invalid {where}: must not contain a NUL character, which ends an argument. Pass it in a file."
        )
    try:
        return len(text.encode())
    except UnicodeEncodeError as error:
        raise SpecError(
            f"Invalid {where}: must be text, without the lone surrogate at index {error.start}. "
            "Pass it in a file."
        ) from None


def check_encoded(pairs: Iterable[tuple[str, str]], form: str) -> None:
    """Reject an encoded command that the platform would not accept whole.

    :param pairs: the names and values of its parameters.
    :param form: the same, percent-encoded.
    :raises SpecError: with the limits.
    """
    encoded_bytes = sum(len(value) for _, value in pairs)
    if encoded_bytes > MAX_ENCODED_BYTES or len(form) > MAX_FORM_BYTES:
        raise SpecError(
            f"Invalid command: once encoded, it must have at most {MAX_ENCODED_BYTES:,} bytes, and "
            f"{MAX_FORM_BYTES:,} in a form, which is about 1 MB as written; it has {encoded_bytes:,} and "
            f"{len(form):,}. Pass some of it in a file."
        )
