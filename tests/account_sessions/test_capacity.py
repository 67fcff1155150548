"""Waiting for free cores and RAM, by many tasks at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from airflow_provider_canfar.account_sessions.capacity import Capacity, wait_until_free
from airflow_provider_canfar.skaha.errors import AuthenticationError, ServiceBusy, SpecError, Unreachable
from airflow_provider_canfar.skaha.models import Resources, Stats
from airflow_provider_canfar.skaha.polling.backoff import MAX_OUTAGE_PAUSE
from airflow_provider_canfar.skaha.polling.single_flight import SingleFlight
from tests.stepping_clock import SteppingClock

INTERVAL = 15.0


class Cluster:
    """A platform with free cores, and tasks that wait for some."""

    def __init__(self) -> None:
        self.time = SteppingClock()
        self.free = 0.0
        self.requests = 0
        self.fault: Exception | None = None
        self.logs: list[list[str]] = []
        self._fetch_stats = SingleFlight(self._stats, clock=self.time)
        self._waits: list[asyncio.Task[Stats | None]] = []

    async def _stats(self) -> Stats:
        self.requests += 1
        if self.fault is not None:
            raise self.fault
        return Stats(available=Resources(cores=100.0), requested=Resources(cores=100.0 - self.free))

    def wait(self, cores: float = 8.0, deadline: float | None = None) -> asyncio.Task[Stats | None]:
        log = list[str]()
        self.logs.append(log)
        wait = asyncio.create_task(
            wait_until_free(
                Capacity(cores=cores),
                self._fetch_stats,
                INTERVAL,
                deadline=deadline,
                emit=log.append,
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


async def test_many_waits_cost_one_request_per_interval(cluster: Cluster) -> None:
    waits = [cluster.wait() for _ in range(50)]
    await cluster.time.pass_(20 * INTERVAL)
    assert 15 <= cluster.requests <= 21
    cluster.free = 8.0
    await cluster.time.pass_(2 * INTERVAL * 1.2)
    assert all(wait.done() for wait in waits)


async def test_a_wait_for_less_ends_first(cluster: Cluster) -> None:
    for_little, for_much = cluster.wait(4.0), cluster.wait(40.0)
    cluster.free = 6.0
    await cluster.time.pass_(2 * INTERVAL)
    stats = for_little.result()
    assert stats is not None
    assert stats.free.cores == 6.0
    assert not for_much.done()


async def test_the_free_amount_is_logged_when_it_changes(cluster: Cluster) -> None:
    cluster.wait()
    await cluster.time.pass_(5 * INTERVAL)
    cluster.free = 6.0
    await cluster.time.pass_(5 * INTERVAL)
    assert cluster.logs == [
        ["Free: 0 cores, unknown GB of RAM.", "Free: 6 cores, unknown GB of RAM."],
    ]


async def test_an_outage_is_logged_when_it_begins_and_ends_and_every_five_minutes(cluster: Cluster) -> None:
    waits = [cluster.wait() for _ in range(3)]
    await cluster.time.pass_(100)
    cluster.fault = Unreachable("no answer")
    before = cluster.requests
    await cluster.time.pass_(1000)
    assert cluster.requests - before <= 1000 / MAX_OUTAGE_PAUSE + 4
    cluster.fault, cluster.free = None, 8.0
    await cluster.time.pass_(2 * MAX_OUTAGE_PAUSE * 1.2)
    assert all(wait.done() for wait in waits)
    for log in cluster.logs:
        begin, *ongoing, end = [line for line in log if line.startswith("The platform")]
        assert "is not responding" in begin
        assert 2 <= len(ongoing) <= 3
        assert "responding again" in end


async def test_a_retry_after_is_honoured(cluster: Cluster) -> None:
    cluster.fault = ServiceBusy("503", retry_after=300)
    cluster.wait()
    await cluster.time.pass_(299)
    assert cluster.requests == 1


async def test_a_deadline_during_an_outage_is_kept_to_the_second(cluster: Cluster) -> None:
    wait = cluster.wait(deadline=cluster.time.now + 1000)
    cluster.fault = Unreachable("no answer")
    await cluster.time.pass_(999)
    assert not wait.done()
    await cluster.time.pass_(1.1)
    assert wait.result() is None


async def test_all_waits_fail_when_the_credential_is_refused(cluster: Cluster) -> None:
    cluster.fault = AuthenticationError("the token has expired")
    waits = [cluster.wait() for _ in range(10)]
    await cluster.time.pass_(1)
    assert {str(wait.exception()) for wait in waits} == {"the token has expired"}
    assert cluster.requests == 1


@pytest.mark.parametrize(
    ("cores", "ram", "reason"),
    [
        (0.0, 0.0, "Invalid cores, ram and gpus 0"),
        (-1.0, 8.0, "Invalid cores -1"),
        (8.0, -0.5, r"Invalid ram -0\.5"),
    ],
)
def test_a_capacity_below_zero_or_of_nothing_is_invalid(cores: float, ram: float, reason: str) -> None:
    with pytest.raises(SpecError, match=reason):
        Capacity(cores, ram)
