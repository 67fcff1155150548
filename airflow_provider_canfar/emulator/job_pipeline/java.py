"""Where Java differs from Python: its exceptions, *String.split*, and numbers as text."""

from __future__ import annotations

import math


class JavaError(Exception):
    """An exception that the server throws.

    :param kind: its class, with the package.
    :param message: its message.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(kind, message)
        self.kind = kind
        self.message = message

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"


def split(text: str, separator: str) -> list[str]:
    """Split as *String.split* does: it drops empty parts at the end, but returns a text without a separator.

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
    r"""Return a text as Java stores it: in UTF-16, where two surrogates make one character.

    A lone surrogate stays; Java writes it as a question mark in UTF-8.

    >>> string("\ud83d\ude00") == "\U0001f600"
    True
    """
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def double_as_text(number: float) -> str:
    """Return a number as *Double.toString* writes it.

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
