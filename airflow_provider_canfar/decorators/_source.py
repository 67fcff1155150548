"""A function's source, as it goes to the image: checked there is nothing in it that would be missing there.

Only the function itself goes along, not the file that it is in. What it uses of that file, a variable or an
import, would be missing in the image, or be something else of the same name. So it is refused, as far as
can be when the DAG file is parsed.
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

#: What a function finds in the image without an import.
PROVIDED = frozenset({"chunk", "stripe", "REPLICA_ID", "REPLICA_COUNT"})

#: What every module has by itself. (Its ``__file__`` would name none in the image.)
_OF_EVERY_MODULE = frozenset({"__name__", "__doc__", "__builtins__", "__spec__", "__package__", "__loader__"})

_WAY_OUT = (
    "Only its own source goes to the image: import or define inside the function what it uses, "
    "or pass it as an argument."
)


@dataclass(frozen=True, slots=True)
class FunctionSource:
    """The source of a function, and where it is from.

    :param name: the function's.
    :param text: its lines as they are in the file, decorators, indentation and all.
    :param file: the file that they are in.
    :param line: the number of the first of them.
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

        :raises SpecError: for what :func:`check` refuses, when the source cannot be read, and for defaults of
            parameters that use something of the file around.
        """
        to_json_types = check(function)
        try:
            lines, first = inspect.getsourcelines(to_json_types)
        except (OSError, TypeError) as error:
            raise SpecError(
                f"The source of {to_json_types.__name__}() cannot be read: {error}. Define it in a DAG file."
            ) from error
        code = to_json_types.__code__
        source = cls(
            name=code.co_name,
            text="".join(lines),
            file=code.co_filename,
            line=first,
            annotations=bool(code.co_flags & __future__.annotations.compiler_flag),
        )
        source._check_defaults(to_json_types)
        return source

    def _check_defaults(self, function: FunctionType) -> None:
        """Refuse defaults that only the file around can make: they are made anew, in the image."""
        block = f"if True:\n{self.text}" if self.text[:1].isspace() else self.text
        statement = ast.parse(block).body[0]
        if isinstance(statement, ast.If):
            statement = statement.body[0]
        if not isinstance(statement, ast.FunctionDef) or statement.name != self.name:
            raise SpecError(f"What is in {self.file} at line {self.line} is not the function {self.name}().")
        arguments = statement.args
        defaults = [*arguments.defaults, *(one for one in arguments.kw_defaults if one is not None)]
        together = ast.fix_missing_locations(ast.Expression(ast.Tuple(defaults, ast.Load())))
        missing = _missing(compile(together, self.file, "eval"), function)
        _refuse(self.name, missing, "in its parameters' defaults, from its file")


def check(function: Any) -> FunctionType:
    """Return the function if it can run in the image; no file is read for that.

    :raises SpecError: with the names of what it uses from around it, and for what is no plain function.
    """
    if not isinstance(function, FunctionType):
        raise SpecError(
            f"{function!r} is of type {type(function).__name__}, whose source cannot be sent. "
            "Decorate a function."
        )
    code, name = function.__code__, function.__name__
    if hasattr(function, "__wrapped__"):
        raise SpecError(
            f"{name}() has a decorator below Airflow's own, which is not in the image. "
            "Let the function itself do what the decorator does."
        )
    if code.co_name == "<lambda>":
        raise SpecError("A lambda cannot be sent to the image. Give it a name with def.")
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise SpecError(
            f"{name}() is asynchronous, and nothing in the image awaits it. Make it a plain function, "
            "and let it call asyncio.run()."
        )
    if inspect.isgeneratorfunction(function):
        raise SpecError(
            f"{name}() yields what it finds, and nothing in the image asks for it. Let it return a list."
        )
    # Its own name is a variable of what is around it; in the image it is defined as well.
    enclosed = [variable for variable in code.co_freevars if variable != code.co_name]
    _refuse(name, enclosed, "from the function around it")
    _refuse(name, _missing(code, function), "from its file")
    return function


def _refuse(function: str, names: list[str], where: str) -> None:
    if names:
        raise SpecError(f"{function}() uses {', '.join(names)} {where}. {_WAY_OUT}")


def _missing(code: CodeType, function: FunctionType) -> list[str]:
    """Return the names of a function's file that code of the function would miss in the image."""
    return [name for name in _globals_of(code) if not _is_there(name, function)]


def _is_there(name: str, function: FunctionType) -> bool:
    """Tell whether a name means in the image what it means in the function's file."""
    if name == function.__code__.co_name or name in _OF_EVERY_MODULE:
        return True
    if name in PROVIDED:
        # Importing chunk from airflow_provider_canfar.replicas is how an author pleases a checker.
        known = function.__globals__.get(name)
        return known is None or getattr(known, "__module__", "") == "airflow_provider_canfar.replicas"
    return name not in function.__globals__ and hasattr(builtins, name)


def _globals_of(code: CodeType) -> list[str]:
    """Return the names that code takes from its file or from Python itself, in the order of their use."""
    used: dict[str, None] = {}
    made: set[str] = set()
    for each in _codes(code):
        names = [(one.opname, str(one.argval)) for one in dis.get_instructions(each)]
        own = {name for operation, name in names if operation == "STORE_NAME"}
        if any(operation == "SETUP_ANNOTATIONS" for operation, _ in names):
            own.add("__annotations__")  # A class makes it for its own attributes.
        for operation, name in names:
            if operation == "STORE_GLOBAL":
                made.add(name)
            elif operation in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS") and name not in own:
                used[name] = None
    # pytest rewrites an assert in a test with names that no source has.
    return [name for name in used if name not in made and name.isidentifier()]


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Return the code of a function and of the functions and classes inside it."""
    yield code
    for constant in code.co_consts:
        # From Python 3.14 on, annotations are functions of their own, which nobody calls here.
        if isinstance(constant, CodeType) and constant.co_name != "__annotate__":
            yield from _codes(constant)
