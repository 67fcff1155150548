"""Which functions can be sent to an image, and which are rejected because the image would lack a name."""

from __future__ import annotations

import functools
import importlib.util
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_canfar.decorators._source import FunctionSource, check_function
from airflow_provider_canfar.replicas import chunk, stripe
from airflow_provider_canfar.skaha.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterator

    REPLICA_ID = 1  # The image provides this.

THRESHOLD: float = 5.0
sorted = functools.partial(sorted, reverse=True)  # noqa: A001 - a DAG file may do this


def other_stripe(items: list[int]) -> list[int]:
    return items


def uses_a_constant(value: float) -> bool:
    return value > THRESHOLD


def uses_a_module(value: float) -> float:
    return math.sqrt(value)


def uses_a_module_in_a_nested_class(values: list[float]) -> list[float]:
    def root(value: float) -> float:
        return math.sqrt(value)

    class Roots:
        all = [root(value) for value in values]
        path = Path

    return Roots.all


def uses_a_function_of_its_file() -> list[int]:
    return other_stripe([1])


def uses_a_builtin_that_its_file_replaces() -> Any:
    return sorted([1, 2])


def uses_its_file() -> str:
    return __file__


def uses_an_undefined_name() -> Any:
    return measure(1)  # type: ignore[name-defined]  # noqa: F821 - the point of this function


def has_a_default_from_its_file(value: float, *, threshold: float = THRESHOLD) -> bool:
    return value > threshold


def has_a_default_with_a_builtin_that_its_file_replaces(
    values: Any = sorted([1, 2]),  # noqa: B008 - authors do this
) -> Any:
    return values


async def is_asynchronous() -> int:
    return 1


def is_a_generator() -> Iterator[int]:
    yield 1


@functools.lru_cache
def is_cached() -> int:
    return 1


@functools.wraps(uses_a_constant)
def is_wrapped() -> int:
    return 1


def uses_available_names(items: list[float]) -> Any:
    import math

    logging = __name__

    class Star:
        """A nested class."""

        count = 0
        band: str

        def brightness(self) -> float:
            return max(math.sqrt(item) for item in items)

    def again() -> Any:
        global THRESHOLD_OF_ITS_OWN
        THRESHOLD_OF_ITS_OWN = 1  # type: ignore[name-defined]  # mypy requires a definition in the file
        return uses_available_names(items), THRESHOLD_OF_ITS_OWN  # type: ignore[name-defined]  # likewise

    return [*chunk(items), *stripe(items), REPLICA_ID, Star(), again, logging, print]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (
            uses_a_constant,
            "uses_a_constant() uses THRESHOLD from its file. Only the function's own source is sent",
        ),
        (uses_a_module, "uses_a_module() uses math from its file"),
        (uses_a_module_in_a_nested_class, "uses_a_module_in_a_nested_class() uses math, Path from its file"),
        (uses_a_function_of_its_file, "uses other_stripe from its file"),
        (uses_a_builtin_that_its_file_replaces, "uses sorted from its file"),
        (uses_its_file, "uses __file__ from its file"),
        (uses_an_undefined_name, "uses measure from its file"),
        (is_asynchronous, "is_asynchronous() is a coroutine function, which nothing awaits in the image"),
        (is_a_generator, "is_a_generator() is a generator, which nothing iterates over in the image"),
        (is_cached, "is of type _lru_cache_wrapper, whose source cannot be sent"),
        (is_wrapped, "uses_a_constant() has another decorator below @task.canfar"),
        (lambda: 1, "A lambda cannot be sent"),
        (functools.partial(uses_a_constant, 1), "is of type partial, whose source cannot be sent"),
    ],
)
def test_the_error_names_what_the_image_would_lack(function: Any, message: str) -> None:
    with pytest.raises(SpecError) as refusal:
        check_function(function)
    assert message in str(refusal.value)


def test_variables_of_the_enclosing_function_are_rejected() -> None:
    threshold, chunk, logging = 5.0, 1, "a module of this name exists in the image"

    def measure(value: float) -> Any:
        return value > threshold, chunk, logging

    with pytest.raises(
        SpecError, match=r"measure\(\) uses chunk, logging, threshold from the enclosing function"
    ):
        check_function(measure)


def test_names_that_mean_the_same_in_the_image_are_accepted() -> None:
    """Built-in and provided names, the function's own name, and its own imports and definitions."""
    assert check_function(uses_available_names) is uses_available_names


def test_a_provided_name_must_not_mean_something_else_in_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(globals(), "stripe", other_stripe)
    with pytest.raises(SpecError, match="uses stripe from its file"):
        check_function(uses_available_names)


def test_a_nested_function_may_call_itself() -> None:
    def factorial(number: int) -> int:
        return 1 if number == 0 else number * factorial(number - 1)

    assert check_function(factorial) is factorial


def test_a_default_that_needs_its_file_is_rejected() -> None:
    """The image evaluates the default again."""
    with pytest.raises(SpecError, match="uses THRESHOLD from its file in the defaults of its parameters"):
        FunctionSource.of(has_a_default_from_its_file)
    with pytest.raises(SpecError, match="uses sorted from its file in the defaults of its parameters"):
        FunctionSource.of(has_a_default_with_a_builtin_that_its_file_replaces)


def test_a_default_may_have_local_variables(tmp_path: Path) -> None:
    """A lambda and a comprehension have local variables."""
    text = "def one(key=lambda star: -star, *, tiles=[2 * tile for tile in range(3)]):\n    return tiles\n"
    assert FunctionSource.of(function_of(tmp_path / "survey.py", text)).text == text


def test_the_source_is_the_exact_text_of_the_file() -> None:
    source = FunctionSource.of(uses_available_names)
    lines = Path(__file__).read_text().splitlines(keepends=True)
    assert "".join(lines[source.line - 1 :]).startswith(source.text)
    assert source.file == __file__
    assert source.name == "uses_available_names"
    assert source.annotations is True


@pytest.mark.parametrize("postponed", [True, False])
def test_the_source_records_whether_its_file_postpones_annotations(
    tmp_path: Path, *, postponed: bool
) -> None:
    text = "from __future__ import annotations\n" if postponed else ""
    one = function_of(tmp_path / "survey.py", f"{text}def one() -> int:\n    return 1")
    source = FunctionSource.of(one)
    assert source.annotations is postponed
    assert source.line == 1 + postponed
    assert source.text == "def one() -> int:\n    return 1\n"


def test_a_function_without_readable_source_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "survey.py"
    one = function_of(path, "def one() -> int:\n    return 1")
    path.unlink()
    with pytest.raises(SpecError, match=r"The source of one\(\) cannot be read: .* Define it in a DAG file"):
        FunctionSource.of(one)


def function_of(path: Path, text: str) -> Any:
    """Import a file, and return its function ``one``."""
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.one
