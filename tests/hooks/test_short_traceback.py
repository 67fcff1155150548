"""What is raised on purpose shows no calls of this provider, and hides nothing of others."""

from __future__ import annotations

import traceback

import pytest

from airflow_provider_canfar.hooks._explained import explained
from airflow_provider_canfar.hooks._short_traceback import (
    ShortTraceback,
    with_short_traceback,
    with_short_tracebacks,
)
from airflow_provider_canfar.skaha.errors import SpecError


def fail(error: Exception) -> None:
    try:
        raise KeyError("detail")
    except KeyError as detail:
        raise error from detail


def calls_in(error: BaseException) -> list[str]:
    return [call.name for call in traceback.extract_tb(error.__traceback__)]


@pytest.mark.parametrize("error", [SpecError("ours"), explained(PermissionError("ours"))])
def test_what_is_raised_on_purpose_begins_with_the_caller(error: Exception) -> None:
    with pytest.raises(type(error)) as shown:
        with_short_traceback(fail)(error)
    assert calls_in(shown.value) == ["test_what_is_raised_on_purpose_begins_with_the_caller"]
    assert "detail" not in "".join(traceback.format_exception(shown.value))


@pytest.mark.parametrize("error", [PermissionError("of a local file"), TypeError("a bug")])
def test_anything_else_keeps_its_calls_and_its_cause(error: Exception) -> None:
    with pytest.raises(type(error)) as shown:
        with_short_traceback(fail)(error)
    assert calls_in(shown.value)[-1] == "fail"
    assert isinstance(shown.value.__cause__, KeyError)


def test_what_the_caller_was_handling_stays_visible() -> None:
    def save_after_a_failure() -> None:
        try:
            raise ZeroDivisionError("what went wrong first")
        except ZeroDivisionError:
            with_short_traceback(fail)(SpecError("ours"))

    with pytest.raises(SpecError) as shown:
        save_after_a_failure()
    text = "".join(traceback.format_exception(shown.value))
    assert "what went wrong first" in text
    assert "detail" not in text


def test_each_method_of_a_class_may_be_the_one_that_is_called() -> None:
    @with_short_tracebacks
    class Files:
        def read(self) -> None:
            """Read."""
            self.open()

        def open(self) -> None:
            fail(SpecError("ours"))

    with pytest.raises(SpecError) as shown:
        Files().read()
    assert calls_in(shown.value) == ["test_each_method_of_a_class_may_be_the_one_that_is_called"]
    assert Files.read.__doc__ == "Read."


def test_a_block_without_an_error_is_left_alone() -> None:
    with ShortTraceback():
        pass
