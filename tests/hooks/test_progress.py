"""Writing the XCom progress beside a wait."""

from __future__ import annotations

import asyncio
from typing import Any

from airflow_provider_canfar.hooks._progress import ProgressWriter


class Airflow:
    """Takes XComs, as fast as a test lets it."""

    def __init__(self) -> None:
        self.written: list[Any] = []
        self.lets_go = asyncio.Event()
        self.at_once = 0
        self.most_at_once = 0
        self.slept: list[float] = []
        self.now = 0.0

    async def write(self, value: dict[str, Any]) -> None:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self.lets_go.wait()
        self.now += 2.0
        self.at_once -= 1
        self.written.append(value["number"])

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def writer(self) -> ProgressWriter:
        return ProgressWriter(self.write, clock=lambda: self.now, sleep=self.sleep)


async def settle() -> None:
    """Let everything that can run do so."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_while_airflow_is_slow_only_the_latest_value_waits() -> None:
    airflow = Airflow()
    writer = airflow.writer()
    for number in range(5):
        writer({"number": number})
        await settle()
    airflow.lets_go.set()
    await settle()
    assert airflow.written == [0, 4]
    assert airflow.slept == [2.0, 2.0], "half of the time is left to others"


async def test_many_tasks_write_one_after_the_other() -> None:
    airflow = Airflow()
    for number in range(20):
        airflow.writer()({"number": number})
    await settle()
    airflow.lets_go.set()
    await settle()
    await settle()
    assert sorted(airflow.written) == [*range(20)]
    assert airflow.most_at_once == 1


async def test_nothing_that_waits_is_written_after_the_wait_and_nothing_is_cut_off() -> None:
    airflow = Airflow()
    writer = airflow.writer()
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
