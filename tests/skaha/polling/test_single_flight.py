"""One call for many callers."""

from __future__ import annotations

import asyncio
import contextvars
import gc

import pytest

from airflow_provider_canfar.skaha.polling.single_flight import SingleFlight
from tests.stepping_clock import SteppingClock, rest

TASK_LOG = contextvars.ContextVar("task_log", default="no task's")


class Call:
    """Counts its calls, and takes a second each."""

    def __init__(self, *, keep_errors: bool = True) -> None:
        self.time = SteppingClock()
        self.contexts: list[str] = []
        self.error: Exception | None = None
        self.shared = SingleFlight(self._call, keep_errors=keep_errors, clock=self.time)

    @property
    def count(self) -> int:
        return len(self.contexts)

    async def _call(self) -> int:
        self.contexts.append(TASK_LOG.get())
        await self.time.sleep(1.0)
        if self.error is not None:
            raise self.error
        return self.count

    async def result(self, max_age: float) -> int:
        caller = asyncio.create_task(self.shared(max_age))
        await self.time.pass_(1.0)
        return await caller


async def test_many_callers_at_once_share_one_call() -> None:
    call = Call()
    assert await asyncio.gather(*(call.result(15.0) for _ in range(100))) == [1] * 100
    assert call.count == 1


async def test_a_result_is_as_old_as_each_caller_allows() -> None:
    call = Call()
    assert await call.result(15.0) == 1
    await call.time.pass_(10.0)
    assert await call.result(15.0) == 1
    assert await call.result(5.0) == 2


async def test_an_error_is_a_result_like_any_other() -> None:
    call = Call()
    call.error = ZeroDivisionError("no response")
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            await call.result(15.0)
    assert call.count == 1
    call.error = None
    await call.time.pass_(15.0)
    assert await call.result(15.0) == 2


async def test_an_error_that_is_not_kept_is_raised_in_all_callers_and_followed_by_another_call() -> None:
    call = Call(keep_errors=False)
    call.error = ZeroDivisionError("no response")
    callers = [call.result(15.0) for _ in range(3)]
    errors = await asyncio.gather(*callers, return_exceptions=True)
    assert [type(error) for error in errors] == [ZeroDivisionError] * 3
    assert call.count == 1
    call.error = None
    assert await call.result(15.0) == 2


async def test_a_cancelled_caller_costs_the_others_nothing() -> None:
    call = Call()
    first, second = (asyncio.create_task(call.shared(15.0)) for _ in range(2))
    await rest()
    first.cancel()
    await call.time.pass_(1.0)
    assert (first.cancelled(), await second, call.count) == (True, 1, 1)


async def test_an_error_that_no_caller_waits_for_is_not_logged_by_asyncio(
    caplog: pytest.LogCaptureFixture,
) -> None:
    call = Call()
    call.error = ZeroDivisionError("no response")
    caller = asyncio.create_task(call.shared(15.0))
    await rest()
    caller.cancel()
    await call.time.pass_(1.0)
    del call
    gc.collect()
    assert caplog.text == ""


async def test_the_call_runs_in_an_empty_context() -> None:
    call = Call()
    TASK_LOG.set("the first one's")
    await call.result(15.0)
    assert call.contexts == ["no task's"]
