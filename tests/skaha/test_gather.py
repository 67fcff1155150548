"""One call for many keys at once, without losing any failure."""

from __future__ import annotations

import pytest

from airflow_provider_canfar.skaha.errors import NotFound, PartialFailure
from airflow_provider_canfar.skaha.gather import each


async def weigh(session_id: str) -> int:
    if session_id == "lost":
        raise NotFound("session lost not found")
    if session_id == "odd":
        raise TypeError("a bug of ours")
    return len(session_id)


async def test_results_are_by_key_and_in_its_order() -> None:
    assert list((await each(["bb", "a"], weigh)).items()) == [("bb", 2), ("a", 1)]
    assert await each([], weigh) == {}


async def test_a_single_key_raises_its_own_error() -> None:
    with pytest.raises(NotFound):
        await each(["lost"], weigh)


async def test_a_partial_failure_has_the_results_and_the_errors() -> None:
    with pytest.raises(PartialFailure) as failure:
        await each(["a", "lost", "bb"], weigh)
    assert failure.value.results == {"a": 1, "bb": 2}
    assert [type(error) for error in failure.value.errors.values()] == [NotFound]


async def test_a_bug_of_ours_is_raised_as_it_is() -> None:
    with pytest.raises(TypeError):
        await each(["a", "odd"], weigh)
