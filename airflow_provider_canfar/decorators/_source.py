"""A function's source, checked for names that would be missing in the image.

Only the function itself is sent, not the file that defines it. A variable or an import of that file would be
missing in the image, or something else would have its name there. This module rejects such functions, where
possible when the DAG file is parsed.
"""

from __future__ import annotations
import __future__

import ast
import builtins
import dis
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any, Self

from airflow_provider_canfar.skaha.errors import SpecError

#: The names that a function can use in the image without an import.
PROVIDED = frozenset({"chunk", "stripe", "REPLICA_ID", "REPLICA_COUNT"})

#: The names that every module has. (Its ``__file__`` would name a file that the image does not have.)
_MODULE_ATTRIBUTES = frozenset(
    {"__name__", "__doc__", "__builtins__", "__spec__", "__package__", "__loader__"}
)

_ADVICE = (
    "Only the function's own source is sent to the image: import or define what it uses inside the function, "
    "or pass it as an argument."
)


@dataclass(frozen=True, slots=True)
class FunctionSource:
    """The source of a function, and where it comes from.

    :param name: the function's name.
    :param text: its lines exactly as in the file, with decorators and indentation.
    :param file: the file that defines it.
    :param line: the number of its first line there.
    :param annotations: whether the file has ``from __future__ import annotations``.
    """

    name: str
    text: str
    file: str
    line: int
    annotations: bool

    @classmethod
    def of(cls, function: Any) -> Self:
        """Read the source of a function.

        :param function: the function.
        :raises SpecError: when :func:`check_function` rejects the function, when its source cannot be read,
            and when the default of a parameter uses a name of the surrounding file.
        """
        plain_function = check_function(function)
        try:
            lines, first = inspect.getsourcelines(plain_function)
        except (OSError, TypeError) as error:
            raise SpecError(
                f"The source of {plain_function.__name__}() cannot be read: {error}. Define it in a DAG file."
            ) from error
        code = plain_function.__code__
        source = cls(
            name=code.co_name,
            text="".join(lines),
            file=code.co_filename,
            line=first,
            annotations=bool(code.co_flags & __future__.annotations.compiler_flag),
        )
        source._check_defaults(plain_function)
        return source

    def _check_defaults(self, function: FunctionType) -> None:
        """Reject defaults that need the surrounding file: the image evaluates them again."""
        block = f"if True:\n{self.text}" if self.text[:1].isspace() else self.text
        statement = ast.parse(block).body[0]
        if isinstance(statement, ast.If):
            statement = statement.body[0]
        if not isinstance(statement, ast.FunctionDef) or statement.name != self.name:
            raise SpecError(
                f"Line {self.line} of {self.file} does not define {self.name}(); the file has changed."
            )
        arguments = statement.args
        defaults = [*arguments.defaults, *(one for one in arguments.kw_defaults if one is not None)]
        expression = ast.fix_missing_locations(ast.Expression(ast.Tuple(defaults, ast.Load())))
        missing = _missing(compile(expression, self.file, "eval"), function)
        _reject(self.name, missing, "from its file in the defaults of its parameters")


def check_function(function: Any) -> FunctionType:
    """Return the function if it can run in the image. This reads no file.

    :param function: the function.
    :raises SpecError: for a function that uses names from outside it, which the error lists, and for anything
        that is not a plain function.
    """
    if not isinstance(function, FunctionType):
        raise SpecError(
            f"{function!r} is of type {type(function).__name__}, whose source cannot be sent to the image. "
            "Decorate a function."
        )
    code, name = function.__code__, function.__name__
    if hasattr(function, "__wrapped__"):
        raise SpecError(
            f"{name}() has another decorator below @task.canfar, which would be missing in the image. "
            "Do what that decorator does inside the function."
        )
    if code.co_name == "<lambda>":
        raise SpecError("A lambda cannot be sent to the image. Define a function with def.")
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise SpecError(
            f"{name}() is a coroutine function, which nothing awaits in the image. Make it a plain function "
            "that calls asyncio.run()."
        )
    if inspect.isgeneratorfunction(function):
        raise SpecError(
            f"{name}() is a generator, which nothing iterates over in the image. Return a list instead."
        )
    # A recursive function's own name is a free variable too; the image defines that one.
    enclosed = [variable for variable in code.co_freevars if variable != code.co_name]
    _reject(name, enclosed, "from the enclosing function")
    _reject(name, _missing(code, function), "from its file")
    return function


def _reject(function: str, names: list[str], where: str) -> None:
    if names:
        raise SpecError(f"{function}() uses {', '.join(names)} {where}. {_ADVICE}")


def _missing(code: CodeType, function: FunctionType) -> list[str]:
    """Return the names in the function's code that would be missing in the image."""
    return [name for name in _globals_of(code) if not _is_available(name, function)]


def _is_available(name: str, function: FunctionType) -> bool:
    """Return whether a name has the same meaning in the image as in the function's file."""
    if name == function.__code__.co_name or name in _MODULE_ATTRIBUTES:
        return True
    if name in PROVIDED:
        # Authors import chunk from airflow_provider_canfar.replicas to satisfy a type checker.
        known = function.__globals__.get(name)
        return known is None or getattr(known, "__module__", "") == "airflow_provider_canfar.replicas"
    return name not in function.__globals__ and hasattr(builtins, name)


def _globals_of(code: CodeType) -> list[str]:
    """Return the global and built-in names that code uses, in order of first use."""
    used: dict[str, None] = {}
    assigned: set[str] = set()
    for each in _codes(code):
        names = [(one.opname, str(one.argval)) for one in dis.get_instructions(each)]
        own = {name for operation, name in names if operation == "STORE_NAME"}
        if any(operation == "SETUP_ANNOTATIONS" for operation, _ in names):
            own.add("__annotations__")  # A class body creates it for its own attributes.
        for operation, name in names:
            if operation == "STORE_GLOBAL":
                assigned.add(name)
            elif operation in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS") and name not in own:
                used[name] = None
    # When pytest rewrites an assert, it adds names that are not identifiers.
    return [name for name in used if name not in assigned and name.isidentifier()]


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Yield the code of a function and of the functions and classes inside it."""
    yield code
    for constant in code.co_consts:
        # From Python 3.14 on, annotations are functions of their own, which the image never calls.
        if isinstance(constant, CodeType) and constant.co_name != "__annotate__":
            yield from _codes(constant)
