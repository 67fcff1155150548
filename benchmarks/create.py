"""Creating 256 sessions with this provider's client and with the platform's own, against the same stub.

The two take turns, and all figures are medians. Both send 32 requests concurrently, their default. The aim is
a ratio of at most 1.0. Then the stub responds to every twentieth request with 503.
"""

from __future__ import annotations

import asyncio
import logging
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Coroutine
from importlib.metadata import version
from typing import Any

from _stub_platform import stub_platform

from airflow_provider_canfar.skaha.client import SkahaClient
from airflow_provider_canfar.skaha.credentials import Token
from airflow_provider_canfar.skaha.models import SessionSpec
from airflow_provider_canfar.skaha.naming import Identity
from airflow_provider_canfar.task_sessions.batch import Batch
from airflow_provider_canfar.task_sessions.ended_session import LogReader, OutcomeRecorder
from airflow_provider_canfar.task_sessions.limits import Limits
from airflow_provider_canfar.task_sessions.reconcile import Reconciler

SESSIONS = 256
LATENCY = 0.05
BUSY = 0.05
ROUNDS = 15
LABEL = 52  # characters
IMAGE = "images.canfar.net/skaha/astroml:24.07"

Create = Callable[[str], Coroutine[Any, Any, list[str]]]


async def ours(url: str) -> list[str]:
    """Create sessions with this provider's client."""
    async with SkahaClient(url, Token("token")) as client:
        return await client.create(name="stars", image=IMAGE, cmd="nproc", replicas=SESSIONS)


async def theirs(url: str) -> list[str]:
    """Create sessions with the platform's own client."""
    from canfar.sessions import AsyncSession

    async with AsyncSession(url=url, token="token") as session:  # noqa: S106 - not a real token
        ids: list[str] = await session.create(name="stars", image=IMAGE, cmd="nproc", replicas=SESSIONS)
        return ids


class SimulatedTime:
    """A clock that advances when something sleeps, so that the pauses of a launch take no time."""

    def __init__(self) -> None:
        self.now = time.time()

    def clock(self) -> float:
        """Return the time."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Advance the clock."""
        self.now += seconds


async def our_launch(url: str, clock: SimulatedTime) -> list[str]:
    """Create sessions like an operator, which retries failed creates; the client alone does not."""
    batch = Batch(Identity("stars", "k3v5x2qamd", 0), try_number=1, replicas=SESSIONS)
    spec = SessionSpec(name="stars", image=IMAGE, cmd="nproc", replicas=SESSIONS)
    reconciler = Reconciler(
        spec,
        batch,
        Limits(),
        recorder=OutcomeRecorder(LogReader(), emit=lambda line: None, max_log_bytes=None),
        emit=lambda line: None,
        clock=clock.clock,
        sleep=clock.sleep,
    )
    async with SkahaClient(url, Token("token"), clock=clock.clock, sleep=clock.sleep) as client:
        while True:
            plan = await reconciler.reconcile(client)
            if not plan.launch:
                return [launch.session_id for launch in reconciler.batch.launched.values()]
            await clock.sleep(max(0.0, (reconciler.launcher.retry_at or 0.0) - clock.clock()))


def measure(create: Create, url: str) -> tuple[float, float]:
    """Return the wall time and the CPU time in seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    ids = asyncio.run(create(url))
    elapsed = time.perf_counter() - wall, time.process_time() - cpu
    assert len(set(ids)) == SESSIONS
    return elapsed


def without_faults() -> None:
    """Print the wall time and the CPU time of both."""
    figures: dict[Create, list[tuple[float, float]]] = {theirs: [], ours: []}
    with stub_platform(latency=LATENCY) as url:
        for create in figures:  # Exclude what is loaded or compiled at the first use.
            measure(create, url)
        for number in range(ROUNDS):
            for create in (theirs, ours) if number % 2 else (ours, theirs):
                figures[create].append(measure(create, url))
    medians = {
        create: [statistics.median(column) for column in zip(*rows, strict=True)]
        for create, rows in figures.items()
    }
    title = f"{SESSIONS} sessions, {LATENCY * 1000:.0f} ms latency, median of {ROUNDS}"
    print(f"{title:<{LABEL}}{'wall s':>8}{'CPU s':>8}")
    for label, create in (
        (f"canfar {version('canfar')}: AsyncSession.create", theirs),
        ("SkahaClient.create", ours),
    ):
        wall, cpu = medians[create]
        print(f"{label:<{LABEL}}{wall:8.3f}{cpu:8.3f}")
    # Compare consecutive runs, which other load on this machine slows down equally.
    pairs = list(zip(figures[ours], figures[theirs], strict=True))
    wall, cpu = (statistics.median(mine[i] / other[i] for mine, other in pairs) for i in (0, 1))
    print(f"{'ratio of consecutive runs (aim: at most 1.0)':<{LABEL}}{wall:8.2f}{cpu:8.2f}")


def with_faults() -> None:
    """Print how many of the sessions each creates."""
    print(f"the same, with 503 responses to {BUSY:.0%} of the requests")
    with stub_platform(latency=LATENCY, busy=BUSY) as url:
        created = len(asyncio.run(theirs(url)))
    print(f"{'canfar: AsyncSession.create':<{LABEL}}{created:8} created")
    with stub_platform(latency=LATENCY, busy=BUSY) as url:
        clock = SimulatedTime()
        began = clock.now
        created = len(set(asyncio.run(our_launch(url, clock))))
    pauses = f"{clock.now - began:.0f} s of simulated pauses"
    print(f"{'Reconciler: the launch of an operator':<{LABEL}}{created:8} created, with {pauses}")
    assert created == SESSIONS


def main() -> None:
    """Run both measurements."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["HOME"] = home  # The platform's client reads its configuration from there during import.
        without_faults()
        logging.disable()  # The platform's client logs each failure.
        with_faults()


if __name__ == "__main__":
    main()
