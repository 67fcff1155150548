"""The same for many, at once, and no failure lost."""

from __future__ import annotations

import pytest

from airflow_provider_canfar.skaha.errors import NotFound, PartialFailure
from airflow_provider_canfar.skaha.gather import each


async def weigh(session_id: str) -> int:
    if session_id == "lost":
        raise NotFound("session lost not found")
    if session_id == "odd":
        raise TypeError("a mistake of ours")
    return len(session_id)


async def test_results_come_by_key_and_in_its_order() -> None:
    assert list((await each(["bb", "a"], weigh)).items()) == [("bb", 2), ("a", 1)]
    assert await each([], weigh) == {}


async def test_the_only_ones_own_error_is_raised() -> None:
    with pytest.raises(NotFound):
        await each(["lost"], weigh)


async def test_of_many_the_results_are_in_the_error_that_tells_the_rest() -> None:
    with pytest.raises(PartialFailure) as failure:
        await each(["a", "lost", "bb"], weigh)
    assert failure.value.results == {"a": 1, "bb": 2}
    assert [type(error) for error in failure.value.errors.values()] == [NotFound]


async def test_a_mistake_of_ours_is_not_dressed_up_as_the_platforms() -> None:
    with pytest.raises(TypeError):
        await each(["a", "odd"], weigh)
