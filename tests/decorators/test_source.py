"""What of a function goes to the image, and what is refused because it would not be there."""

from __future__ import annotations

import functools
import importlib.util
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_canfar.decorators._source import FunctionSource, check
from airflow_provider_canfar.replicas import chunk, stripe
from airflow_provider_canfar.skaha.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterator

    REPLICA_ID = 1  # What a function finds in the image.

THRESHOLD: float = 5.0
sorted = functools.partial(sorted, reverse=True)  # noqa: A001 - what a DAG file may do


def stripe_of_mine(items: list[int]) -> list[int]:
    return items


def uses_a_constant(value: float) -> bool:
    return value > THRESHOLD


def uses_a_module(value: float) -> float:
    return math.sqrt(value)


def uses_a_module_deep_inside(values: list[float]) -> list[float]:
    def root(value: float) -> float:
        return math.sqrt(value)

    class Roots:
        all = [root(value) for value in values]
        path = Path

    return Roots.all


def uses_a_function_of_its_file() -> list[int]:
    return stripe_of_mine([1])


def uses_what_its_file_has_put_in_the_place_of_a_builtin() -> Any:
    return sorted([1, 2])


def uses_its_file() -> str:
    return __file__


def uses_what_there_is_nowhere() -> Any:
    return measure(1)  # type: ignore[name-defined]  # noqa: F821 - that is the point


def has_a_default_of_its_file(value: float, *, threshold: float = THRESHOLD) -> bool:
    return value > threshold


def has_a_default_of_a_builtin_that_its_file_has_replaced(
    values: Any = sorted([1, 2]),  # noqa: B008 - people do
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


def uses_what_is_there(items: list[float]) -> Any:
    import math

    logging = __name__

    class Star:
        """A class of its own."""

        count = 0
        band: str

        def brightness(self) -> float:
            return max(math.sqrt(item) for item in items)

    def again() -> Any:
        global THRESHOLD_OF_ITS_OWN
        THRESHOLD_OF_ITS_OWN = 1  # type: ignore[name-defined]  # mypy wants it in the file as well
        return uses_what_is_there(items), THRESHOLD_OF_ITS_OWN  # type: ignore[name-defined]  # likewise

    return [*chunk(items), *stripe(items), REPLICA_ID, Star(), again, logging, print]


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (uses_a_constant, "uses_a_constant() uses THRESHOLD from its file. Only its own source goes"),
        (uses_a_module, "uses_a_module() uses math from its file"),
        (uses_a_module_deep_inside, "uses_a_module_deep_inside() uses math, Path from its file"),
        (uses_a_function_of_its_file, "uses stripe_of_mine from its file"),
        (uses_what_its_file_has_put_in_the_place_of_a_builtin, "uses sorted from its file"),
        (uses_its_file, "uses __file__ from its file"),
        (uses_what_there_is_nowhere, "uses measure from its file"),
        (is_asynchronous, "is_asynchronous() is asynchronous, and nothing in the image awaits it"),
        (is_a_generator, "is_a_generator() yields what it finds, and nothing in the image asks for it"),
        (is_cached, "is of type _lru_cache_wrapper, whose source cannot be sent"),
        (is_wrapped, "uses_a_constant() has a decorator below Airflow's own, which is not in the image"),
        (lambda: 1, "A lambda cannot be sent"),
        (functools.partial(uses_a_constant, 1), "is of type partial, whose source cannot be sent"),
    ],
)
def test_what_would_not_be_in_the_image_is_refused_by_name(function: Any, words: str) -> None:
    with pytest.raises(SpecError) as refusal:
        check(function)
    assert words in str(refusal.value)


def test_a_variable_of_the_function_around_it_is_refused_by_name() -> None:
    threshold, chunk, logging = 5.0, 1, "also where the image has one of that name"

    def measure(value: float) -> Any:
        return value > threshold, chunk, logging

    with pytest.raises(
        SpecError, match=r"measure\(\) uses chunk, logging, threshold from the function around"
    ):
        check(measure)


def test_what_means_the_same_in_the_image_is_taken() -> None:
    """Python's own names, its own imports and definitions, its own name, and what the image is given."""
    assert check(uses_what_is_there) is uses_what_is_there


def test_a_name_that_the_image_is_given_may_not_mean_something_else_in_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(globals(), "stripe", stripe_of_mine)
    with pytest.raises(SpecError, match="uses stripe from its file"):
        check(uses_what_is_there)


def test_a_function_inside_another_may_call_itself() -> None:
    def factorial(number: int) -> int:
        return 1 if number == 0 else number * factorial(number - 1)

    assert check(factorial) is factorial


def test_a_default_that_only_its_file_can_make_is_refused_by_name() -> None:
    """Its value is known here, but the image makes it anew."""
    with pytest.raises(SpecError, match="uses THRESHOLD in its parameters' defaults, from its file"):
        FunctionSource.of(has_a_default_of_its_file)
    with pytest.raises(SpecError, match="uses sorted in its parameters' defaults, from its file"):
        FunctionSource.of(has_a_default_of_a_builtin_that_its_file_has_replaced)


def test_a_default_may_have_variables_of_its_own(tmp_path: Path) -> None:
    """Those of a lambda and of a comprehension are nobody else's."""
    text = "def one(key=lambda star: -star, *, tiles=[2 * tile for tile in range(3)]):\n    return tiles\n"
    assert FunctionSource.of(function_of(tmp_path / "survey.py", text)).text == text


def test_the_source_is_as_it_stands_in_its_file() -> None:
    source = FunctionSource.of(uses_what_is_there)
    lines = Path(__file__).read_text().splitlines(keepends=True)
    assert "".join(lines[source.line - 1 :]).startswith(source.text)
    assert source.file == __file__
    assert source.name == "uses_what_is_there"
    assert source.annotations is True


@pytest.mark.parametrize("postponed", [True, False])
def test_whether_the_file_postpones_annotations_is_told(tmp_path: Path, *, postponed: bool) -> None:
    text = "from __future__ import annotations\n" if postponed else ""
    one = function_of(tmp_path / "survey.py", f"{text}def one() -> int:\n    return 1")
    source = FunctionSource.of(one)
    assert source.annotations is postponed
    assert source.line == 1 + postponed
    assert source.text == "def one() -> int:\n    return 1\n"


def test_a_function_whose_source_cannot_be_read_is_refused(tmp_path: Path) -> None:
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
