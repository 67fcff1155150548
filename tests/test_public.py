"""``docs/public.md`` lists every public name, and every public name is completely documented."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest
from pydantic import BaseModel

import airflow_provider_canfar
from airflow_provider_canfar.connection_form import CONNECTION_FIELDS
from airflow_provider_canfar.hooks.canfar import CanfarHook
from airflow_provider_canfar.skaha.client import SkahaClient
from airflow_provider_canfar.skaha.credentials import Credential
from airflow_provider_canfar.skaha.models import SessionSpec

PACKAGE = "airflow_provider_canfar"
ROOT = Path(airflow_provider_canfar.__file__).parent
PAGE = (ROOT.parent / "docs" / "public.md").read_text()

#: The folders in which every module without a leading underscore is public.
PUBLIC_FOLDERS = ("decorators", "fs", "hooks", "operators", "sensors", "triggers")

#: The public modules outside these folders.
OTHER_PUBLIC_MODULES = (
    "get_provider_info",
    "links",
    "replicas",
    "skaha.client",
    "skaha.credentials",
    "skaha.errors",
    "skaha.models",
    "testing",
)

#: Airflow calls the methods of these classes, and documents them.
AIRFLOW_BASES = {"BaseOperator", "BaseOperatorLink", "BaseTrigger"}

_CODE = re.compile(r"`([^`\n]+)`")


def public_modules() -> Iterator[str]:
    for folder in PUBLIC_FOLDERS:
        for path in sorted((ROOT / folder).glob("*.py")):
            if not path.name.startswith("_"):
                yield f"{folder}.{path.stem}"
            elif path.name == "__init__.py" and len(ast.parse(path.read_text()).body) > 1:
                yield folder  # A package that defines more than its docstring.
    yield from OTHER_PUBLIC_MODULES


MODULES = list(public_modules())


def import_public(module: str) -> ModuleType:
    return import_module(f"{PACKAGE}.{module}")


@dataclass(frozen=True)
class PublicCallable:
    """A function, a class, or a method of a class.

    :param docstrings: where its parameters may be documented.
    """

    name: str
    parameters: tuple[str, ...]
    docstrings: tuple[str, ...]

    def __str__(self) -> str:
        return self.name

    @property
    def undocumented(self) -> list[str]:
        """Its parameters that no docstring describes."""
        described = {name for text in self.docstrings for name in re.findall(r":param (\w+):", text)}
        return [name for name in self.parameters if name not in described]


def parameters_of(function: Any) -> tuple[str, ...]:
    """Return the names of all parameters except ``self`` and the private ones."""
    return tuple(
        name for name in inspect.signature(function).parameters if name != "self" and not name.startswith("_")
    )


def bases_of(cls: type) -> list[type]:
    """Return a class and those of its bases that this package defines."""
    return [base for base in cls.__mro__ if base.__module__.startswith(PACKAGE)]


def reference_of(cls: type) -> type | None:
    """Return the class whose methods document the parameters of this class's methods of the same names."""
    if cls is CanfarHook:
        return SkahaClient  # The hook's blocking calls are the client's.
    return Credential if hasattr(cls, "refresh") and hasattr(cls, "authorize") else None


def methods_of(cls: type) -> Iterator[PublicCallable]:
    """Yield the public methods of a class, unless Airflow is what calls them."""
    if {base.__name__ for base in cls.__mro__} & AIRFLOW_BASES:
        return
    functions: dict[str, Any] = {}
    for base in reversed(bases_of(cls)):
        functions |= {name: one for name, one in vars(base).items() if isinstance(one, FunctionType)}
    for name, function in functions.items():
        if not name.startswith(("_", "model_")):  # What begins with model_ is pydantic's.
            reference = getattr(reference_of(cls), name, None)
            docstrings = (function.__doc__ or "", getattr(reference, "__doc__", None) or "")
            yield PublicCallable(
                f"{cls.__name__}.{name}", parameters_of(inspect.unwrap(function)), docstrings
            )


def class_of(cls: type) -> PublicCallable:
    """Return a class as a callable. The docstring of a base may describe the parameters that it defines."""
    docstrings = tuple(base.__doc__ or "" for base in bases_of(cls))
    if issubclass(cls, BaseModel):
        # Users create specs; what the platform reports they only read.
        return PublicCallable(cls.__name__, tuple(cls.model_fields) if cls is SessionSpec else (), docstrings)
    if getattr(cls, "_is_protocol", False):
        return PublicCallable(cls.__name__, (), docstrings)
    # Airflow's arguments (kwargs), a base's arguments (facts) and an exception's message need no description.
    ignored = {"kwargs", "facts", *(["message"] if issubclass(cls, Exception) else [])}
    constructors = [vars(base)["__init__"] for base in bases_of(cls) if "__init__" in vars(base)]
    parameters = [name for one in constructors for name in parameters_of(one) if name not in ignored]
    return PublicCallable(cls.__name__, tuple(parameters), docstrings)


def public_callables() -> Iterator[PublicCallable]:
    seen: set[int] = set()
    for module in MODULES:
        namespace = import_public(module)
        for name in getattr(namespace, "__all__", ()):
            thing = getattr(namespace, name)
            if id(thing) in seen:
                continue
            seen.add(id(thing))
            if isinstance(thing, type):
                yield class_of(thing)
                yield from methods_of(thing)
            elif isinstance(thing, FunctionType):
                yield PublicCallable(name, parameters_of(thing), (thing.__doc__ or "",))
            else:  # A pytest fixture, which pytest calls.
                yield PublicCallable(name, (), (thing.__doc__ or "",))


CALLABLES = list(public_callables())


@pytest.mark.parametrize("module", MODULES)
def test_a_public_module_has_a_sorted_all(module: str) -> None:
    names = list(getattr(import_public(module), "__all__", ()))
    assert names, f"{module} has no __all__"
    assert names == sorted(names)


@pytest.mark.parametrize("module", MODULES)
def test_the_page_lists_each_public_module_and_its_names(module: str) -> None:
    words = {word for code in _CODE.findall(PAGE) for word in re.findall(r"[\w.]+", code)}
    missing = [name for name in (module, *getattr(import_public(module), "__all__", ())) if name not in words]
    assert not missing


def test_the_page_lists_each_method_of_the_hook_and_the_client() -> None:
    words = {word for code in _CODE.findall(PAGE) for word in re.findall(r"\w+", code)}
    methods = [
        one.name.partition(".")[2]
        for one in CALLABLES
        if one.name.startswith(("CanfarHook.", "SkahaClient."))
    ]
    assert methods
    assert not [name for name in methods if name not in words]


def test_the_page_lists_each_field_of_the_connection() -> None:
    assert not [name for name in CONNECTION_FIELDS if f"`{name}`" not in PAGE]


def test_the_page_lists_each_xcom_key() -> None:
    source = "\n".join(path.read_text() for path in ROOT.rglob("*.py"))
    keys = set(re.findall(r"xcom_push\(\s*\"(\w+)\"", source))
    assert keys
    assert not [key for key in keys if f"`{key}`" not in PAGE]


@pytest.mark.parametrize("one", CALLABLES, ids=str)
def test_a_public_name_has_a_complete_docstring(one: PublicCallable) -> None:
    """It has a purpose, and describes every parameter."""
    assert one.docstrings[0].strip(), f"{one.name} has no docstring"
    assert not one.undocumented
