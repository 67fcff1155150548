"""Writing the XCom progress beside a wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from airflow_provider_canfar.hooks._progress import ProgressWriter, WriteQueue


class Airflow:
    """Takes XComs, as fast as a test lets it."""

    def __init__(self) -> None:
        self.written: list[Any] = []
        self.lets_go = asyncio.Event()
        self.changed = asyncio.Event()
        self.at_once = 0
        self.most_at_once = 0

    async def write(self, value: dict[str, Any]) -> None:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self.lets_go.wait()
        self.at_once -= 1
        self.written.append(value["number"])
        self.changed.set()

    async def has_written(self, count: int) -> None:
        while len(self.written) < count:
            await self.changed.wait()
            self.changed.clear()


def value(number: int) -> Callable[[float], dict[str, Any]]:
    return lambda _: {"number": number}


async def settle() -> None:
    """Let everything that can run do so."""
    for _ in range(100):
        await asyncio.sleep(0)


async def test_while_airflow_is_slow_only_the_latest_value_waits() -> None:
    airflow = Airflow()
    writer = ProgressWriter(airflow.write)
    for number in range(5):
        writer(0.0, value(number))
        await settle()
    airflow.lets_go.set()
    await airflow.has_written(2)
    assert airflow.written == [0, 4]


async def test_many_tasks_write_one_after_the_other() -> None:
    airflow = Airflow()
    for number in range(20):
        ProgressWriter(airflow.write)(0.0, value(number))
    await settle()
    airflow.lets_go.set()
    await airflow.has_written(20)
    assert airflow.written == [*range(20)]
    assert airflow.most_at_once == 1


async def test_nothing_that_waits_is_written_after_the_wait_and_nothing_is_cut_off() -> None:
    airflow = Airflow()
    writer = ProgressWriter(airflow.write)
    writer(0.0, value(1))
    await settle()
    writer(0.0, value(2))
    writer.close()
    airflow.lets_go.set()
    await settle()
    assert airflow.written == [1]


async def test_an_airflow_that_takes_nothing_costs_nothing() -> None:
    tried = []

    async def fail(value: dict[str, Any]) -> None:
        tried.append(value)
        raise ConnectionError("Airflow is away")

    writer = ProgressWriter(fail)
    for number in range(3):
        writer(0.0, value(number))
        await settle()
    assert tried == [{"number": 0}, {"number": 1}, {"number": 2}]


async def test_slow_writes_leave_half_of_the_time_to_others() -> None:
    now, slept = 0.0, []

    async def write(value: dict[str, Any]) -> None:
        nonlocal now
        now += 1.0

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    queue = WriteQueue(clock=lambda: now, sleep=sleep)
    for _ in range(10):
        writer = ProgressWriter(write, queue)
        writer(0.0, lambda _: {})
    await settle()
    assert slept == [1.0] * 10


async def test_a_write_waits_for_its_time_and_is_built_then() -> None:
    airflow, now, built = Airflow(), 100.0, []
    airflow.lets_go.set()
    queue = WriteQueue(now=lambda: now)

    def latest(number: int) -> Callable[[float], dict[str, Any]]:
        def build(at: float) -> dict[str, Any]:
            built.append(at)
            return {"number": number}

        return build

    for number in range(3):
        ProgressWriter(airflow.write, queue)(100.01, latest(number))
    await settle()
    assert not built
    now = 100.01
    async with asyncio.timeout(10):
        await airflow.has_written(3)
    assert (airflow.written, built) == ([0, 1, 2], [100.01] * 3)


async def test_of_a_wait_that_ends_before_its_time_nothing_is_written() -> None:
    airflow = Airflow()
    airflow.lets_go.set()
    queue = WriteQueue(now=lambda: 100.0)
    ended, other = ProgressWriter(airflow.write, queue), ProgressWriter(airflow.write, queue)
    ended(100.01, value(1))
    other(100.01, value(2))
    ended.close()
    async with asyncio.timeout(10):
        await airflow.has_written(1)
    assert airflow.written == [2]


async def test_where_nothing_has_changed_by_then_or_it_cannot_be_built_nothing_is_written() -> None:
    airflow = Airflow()
    airflow.lets_go.set()

    def fail(at: float) -> dict[str, Any]:
        raise ValueError("no such state")

    ProgressWriter(airflow.write)(0.0, lambda _: None)
    ProgressWriter(airflow.write)(0.0, fail)
    ProgressWriter(airflow.write)(0.0, value(1))
    await settle()
    assert airflow.written == [1]
