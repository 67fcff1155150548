"""Tracebacks without this provider's own calls, for what it raises on purpose.

A person who reads one looks for a line of their own. A bug of this provider keeps all of its calls.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from types import FunctionType
from typing import TYPE_CHECKING, Literal, ParamSpec, TypeVar

if TYPE_CHECKING:
    from types import TracebackType

P = ParamSpec("P")
T = TypeVar("T")
C = TypeVar("C", bound=type)


class ShortTraceback:
    """Leave the calls so far, and the causes, out of the traceback of an error of this provider.

    So are the exceptions of Airflow and of Python that :func:`~._explained.explained` has marked. The
    function that has the ``with`` is left out, too. It belongs where the calls of others enter this provider.

    A class: :mod:`contextlib` restores the traceback.
    """

    def __enter__(self) -> None:
        self._handled = sys.exception()

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> Literal[False]:
        if error is not None and _is_on_purpose(error):
            # The with statement raises it again with the traceback that it has now.
            error.__traceback__ = None
            error.__cause__ = None  # As "from None": the context stays, and is not shown.
            # But what the caller was handling is theirs, and may be what matters.
            if self._handled is not None and self._handled is not error:
                error.__context__ = self._handled
                error.__suppress_context__ = False
        return False


def _is_on_purpose(error: BaseException) -> bool:
    from airflow_provider_canfar.skaha.errors import CanfarError

    return isinstance(error, CanfarError) or getattr(error, "is_explained", False)


def with_short_traceback(function: Callable[P, T]) -> Callable[P, T]:
    """Make a function one that others call."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        with ShortTraceback():
            return function(*args, **kwargs)

    return call


def with_short_tracebacks(of: C) -> C:
    """Make all methods of a class ones that others call."""
    for name, method in list(vars(of).items()):
        if isinstance(method, FunctionType):
            setattr(of, name, with_short_traceback(method))
    return of
