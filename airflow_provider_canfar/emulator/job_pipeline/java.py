"""What the server's language does otherwise than ours: its exceptions, its splitting, its numbers as text."""

from __future__ import annotations

import math

from airflow_provider_canfar.emulator.api.http_errors import HttpError, bad_request, unexpected

ANSWERED_400 = ("java.lang.IllegalArgumentException", "java.lang.NumberFormatException")
"""IllegalArgumentException and what inherits from it, as far as it occurs here."""


class JavaError(Exception):
    """An exception of the server's.

    :param kind: its class, with the package.
    :param message: its message.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(kind, message)
        self.kind = kind
        self.message = message

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"

    @property
    def refusal(self) -> HttpError:
        """What the server answers (*RestAction.run*)."""
        return bad_request(self.message) if self.kind in ANSWERED_400 else unexpected(str(self))


def split(text: str, separator: str) -> list[str]:
    """Split as *String.split* does: empty parts at the end are dropped, but a text without a separator stays.

    >>> split("a==", "="), split("=a", "="), split(" ", " "), split("", " ")
    (['a'], ['', 'a'], [], [''])
    """
    if separator not in text:
        return [text]
    parts = text.split(separator)
    while parts and not parts[-1]:
        parts.pop()
    return parts


def string(text: str) -> str:
    r"""Return a text as Java has it: in UTF-16, where two halves of a character make one.

    A half alone stays; written as UTF-8, Java makes a question mark of it.

    >>> string("\ud83d\ude00") == "\U0001f600"
    True
    """
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def double_as_text(number: float) -> str:
    """Write a number as *Double.toString* does.

    >>> double_as_text(1000.0), double_as_text(1e7), double_as_text(1.5e-5)
    ('1000.0', '1.0E7', '1.5E-5')
    """
    if math.isnan(number):
        return ".NaN"
    if math.isinf(number):
        return ".inf" if number > 0 else "-.inf"
    if number == 0 or 1e-3 <= abs(number) < 1e7:
        return repr(number) if "e" not in repr(number) else f"{number:.17f}".rstrip("0")
    shortest = next(candidate for digits in range(17) if float(candidate := f"{number:.{digits}e}") == number)
    mantissa, _, exponent = shortest.partition("e")
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}E{int(exponent)}"
