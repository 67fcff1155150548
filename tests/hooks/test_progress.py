"""Writing the XCom progress beside a wait."""

from __future__ import annotations

import asyncio
from typing import Any

from airflow_provider_canfar.hooks._progress import ProgressWriter, WriteQueue


class Airflow:
    """Takes XComs, as fast as a test lets it."""

    def __init__(self) -> None:
        self.written: list[Any] = []
        self.lets_go = asyncio.Event()
        self.at_once = 0
        self.most_at_once = 0

    async def write(self, value: dict[str, Any]) -> None:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self.lets_go.wait()
        self.at_once -= 1
        self.written.append(value["number"])


async def settle() -> None:
    """Let everything that can run do so."""
    for _ in range(100):
        await asyncio.sleep(0)


async def test_while_airflow_is_slow_only_the_latest_value_waits() -> None:
    airflow = Airflow()
    writer = ProgressWriter(airflow.write)
    for number in range(5):
        writer({"number": number})
        await settle()
    airflow.lets_go.set()
    await settle()
    assert airflow.written == [0, 4]


async def test_many_tasks_write_one_after_the_other() -> None:
    airflow = Airflow()
    for number in range(20):
        ProgressWriter(airflow.write)({"number": number})
    await settle()
    airflow.lets_go.set()
    await settle()
    assert airflow.written == [*range(20)]
    assert airflow.most_at_once == 1


async def test_nothing_that_waits_is_written_after_the_wait_and_nothing_is_cut_off() -> None:
    airflow = Airflow()
    writer = ProgressWriter(airflow.write)
    writer({"number": 1})
    await settle()
    writer({"number": 2})
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
        writer({"number": number})
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
        writer({})
    await settle()
    assert slept == [1.0] * 10
