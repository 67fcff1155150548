"""Waiting for free cores and RAM, by many at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from airflow_provider_canfar.account_sessions.capacity import Capacity, wait_until_free
from airflow_provider_canfar.skaha.errors import AuthenticationError, ServiceBusy, Unreachable
from airflow_provider_canfar.skaha.models import Resources, Stats
from airflow_provider_canfar.skaha.polling.backoff import MAX_OUTAGE_PAUSE
from airflow_provider_canfar.skaha.polling.single_flight import SingleFlight
from tests.stepping_clock import SteppingClock

INTERVAL = 15.0


class Cluster:
    """A platform with free cores, and those who wait for some."""

    def __init__(self) -> None:
        self.time = SteppingClock()
        self.free = 0.0
        self.asked = 0
        self.fault: Exception | None = None
        self.told: list[list[str]] = []
        self._ask = SingleFlight(self._stats, clock=self.time)
        self._waits: list[asyncio.Task[Stats | None]] = []

    async def _stats(self) -> Stats:
        self.asked += 1
        if self.fault is not None:
            raise self.fault
        return Stats(available=Resources(cores=100.0), requested=Resources(cores=100.0 - self.free))

    def wait(self, cores: float = 8.0, deadline: float | None = None) -> asyncio.Task[Stats | None]:
        told = list[str]()
        self.told.append(told)
        wait = asyncio.create_task(
            wait_until_free(
                Capacity(cores=cores),
                self._ask,
                INTERVAL,
                deadline=deadline,
                emit=told.append,
                clock=self.time,
                sleep=self.time.sleep,
            )
        )
        self._waits.append(wait)
        return wait

    async def close(self) -> None:
        for wait in self._waits:
            wait.cancel()
        await asyncio.gather(*self._waits, return_exceptions=True)


@pytest.fixture(name="cluster")
async def _cluster() -> AsyncIterator[Cluster]:
    cluster = Cluster()
    yield cluster
    await cluster.close()


async def test_many_who_wait_for_room_cost_one_request_per_interval(cluster: Cluster) -> None:
    waits = [cluster.wait() for _ in range(50)]
    await cluster.time.pass_(20 * INTERVAL)
    assert 15 <= cluster.asked <= 21
    cluster.free = 8.0
    await cluster.time.pass_(2 * INTERVAL * 1.2)
    assert all(wait.done() for wait in waits)


async def test_who_wants_less_is_served_before(cluster: Cluster) -> None:
    modest, greedy = cluster.wait(4.0), cluster.wait(40.0)
    cluster.free = 6.0
    await cluster.time.pass_(2 * INTERVAL)
    seen = modest.result()
    assert seen is not None
    assert seen.free.cores == 6.0
    assert not greedy.done()


async def test_an_outage_is_told_when_it_begins_and_ends_and_every_five_minutes(cluster: Cluster) -> None:
    waits = [cluster.wait() for _ in range(3)]
    await cluster.time.pass_(100)
    cluster.fault = Unreachable("no answer")
    before = cluster.asked
    await cluster.time.pass_(1000)
    assert cluster.asked - before <= 1000 / MAX_OUTAGE_PAUSE + 4
    cluster.fault, cluster.free = None, 8.0
    await cluster.time.pass_(2 * MAX_OUTAGE_PAUSE * 1.2)
    assert all(wait.done() for wait in waits)
    for lines in cluster.told:
        began, *goes_on, ended = [line for line in lines if line.startswith("The platform")]
        assert "is not responding" in began
        assert 2 <= len(goes_on) <= 3
        assert "responding again" in ended


async def test_a_platform_that_says_when_to_come_back_is_heeded(cluster: Cluster) -> None:
    cluster.fault = ServiceBusy("503", retry_after=300)
    cluster.wait()
    await cluster.time.pass_(299)
    assert cluster.asked == 1


async def test_a_deadline_passes_in_an_outage_to_the_second(cluster: Cluster) -> None:
    wait = cluster.wait(deadline=cluster.time.now + 1000)
    cluster.fault = Unreachable("no answer")
    await cluster.time.pass_(999)
    assert not wait.done()
    await cluster.time.pass_(1.1)
    assert wait.result() is None


async def test_a_refused_credential_is_told_to_all(cluster: Cluster) -> None:
    cluster.fault = AuthenticationError("the token has expired")
    waits = [cluster.wait() for _ in range(10)]
    await cluster.time.pass_(1)
    assert {str(wait.exception()) for wait in waits} == {"the token has expired"}
    assert cluster.asked == 1
