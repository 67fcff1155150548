"""A question that many ask is put once."""

from __future__ import annotations

import asyncio
import contextvars

import pytest

from airflow_provider_canfar.skaha.polling.single_flight import SingleFlight
from tests.stepping_clock import SteppingClock, rest

TASK_LOG = contextvars.ContextVar("task_log", default="no task's")


class Asked:
    """A platform that counts, and answers after a second."""

    def __init__(self) -> None:
        self.time = SteppingClock()
        self.asked_in: list[str] = []
        self.error: Exception | None = None
        self.answer = SingleFlight(self._ask, clock=self.time)

    @property
    def times(self) -> int:
        return len(self.asked_in)

    async def _ask(self) -> int:
        self.asked_in.append(TASK_LOG.get())
        await self.time.sleep(1.0)
        if self.error is not None:
            raise self.error
        return self.times

    async def answered(self, within: float) -> int:
        asking = asyncio.create_task(self.answer(within))
        await self.time.pass_(1.0)
        return await asking


async def test_many_who_ask_at_once_are_answered_at_once() -> None:
    asked = Asked()
    assert await asyncio.gather(*(asked.answered(15.0) for _ in range(100))) == [1] * 100
    assert asked.times == 1


async def test_an_answer_is_good_for_as_long_as_each_wants() -> None:
    asked = Asked()
    assert await asked.answered(15.0) == 1
    await asked.time.pass_(10.0)
    assert await asked.answered(15.0) == 1
    assert await asked.answered(5.0) == 2


async def test_an_error_is_an_answer_like_any_other() -> None:
    asked = Asked()
    asked.error = ZeroDivisionError("no answer")
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            await asked.answered(15.0)
    assert asked.times == 1
    asked.error = None
    await asked.time.pass_(15.0)
    assert await asked.answered(15.0) == 2


async def test_one_who_gives_up_costs_the_others_nothing() -> None:
    asked = Asked()
    first, second = (asyncio.create_task(asked.answer(15.0)) for _ in range(2))
    await rest()
    first.cancel()
    await asked.time.pass_(1.0)
    assert (first.cancelled(), await second, asked.times) == (True, 1, 1)


async def test_the_question_is_put_in_nobodys_context() -> None:
    asked = Asked()
    TASK_LOG.set("the first one's")
    await asked.answered(15.0)
    assert asked.asked_in == ["no task's"]
