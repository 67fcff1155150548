"""A process in which many wait for a session each, one way or another. It measures itself.

The last line that it prints has what it has measured: see :class:`Figures`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import random
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field

CHANCE = random.Random(1)  # noqa: S311 - no secret's randomness

#: Seconds between two looks at how late the event loop is: in a minute of waiting, when each costs CPU time
#: that is measured too, and in the few seconds in which sessions end.
PROBE_EVERY = 0.05
PROBE_ENDS_EVERY = 0.01


@dataclass
class Figures:
    """What is measured.

    :param cpu: seconds of all threads.
    :param lags: how late the event loop was, in seconds, at each probe; sorted.
    :param rss: bytes.
    :param ended: when each session has ended, in seconds since the epoch.
    :param told: when each end was told.
    :param requests: how many, by what was asked for.
    :param bytes: the same, of answers with their heads.
    """

    cpu: float = 0.0
    seconds: float = 0.0
    lags: list[float] = field(default_factory=list)
    rss: int = 0
    ended: dict[str, float] = field(default_factory=dict)
    told: dict[str, float] = field(default_factory=dict)
    requests: dict[str, int] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)


async def wait_by_trigger(url: str, session_id: str, interval: float) -> None:
    """Wait as a deferred task of this provider does."""
    from airflow_provider_canfar.task_sessions.wait import WaitSpec
    from airflow_provider_canfar.triggers.session import CanfarSessionTrigger

    number = int(session_id[1:])
    waiting = WaitSpec(f"{number:010d}", {session_id: f"af-reduce-k3v5x2qamd-0-{number}-1"})
    trigger = CanfarSessionTrigger(waiting=waiting.to_json(), poll_interval=interval)
    await anext(trigger.run())


def look_by_a_shared_client() -> Callable[[str, str], Awaitable[str]]:
    """Make a way to look at one session: all by one client."""
    import httpx

    client = httpx.AsyncClient(limits=httpx.Limits(), timeout=60)

    async def look(url: str, session_id: str) -> str:
        answer = await client.get(f"{url}/skaha/v1/session/{session_id}")
        return str(answer.json()["status"])

    return look


def look_by_a_client_of_its_own() -> Callable[[str, str], Awaitable[str]]:
    """Make a way to look at one session: each time by a new client, as providers do."""
    import httpx

    async def look(url: str, session_id: str) -> str:
        async with httpx.AsyncClient(timeout=60) as client:
            answer = await client.get(f"{url}/skaha/v1/session/{session_id}")
        return str(answer.json()["status"])

    return look


def wait_by(look: Callable[[str, str], Awaitable[str]]) -> Callable[[str, str, float], Awaitable[None]]:
    """Make a way to wait: look at the session once per interval."""

    async def wait(url: str, session_id: str, interval: float) -> None:
        await asyncio.sleep(CHANCE.uniform(0, interval))
        while await look(url, session_id) == "Running":  # noqa: ASYNC110 - to poll is what is measured
            await asyncio.sleep(interval)

    return wait


async def wait_for_nothing(url: str, session_id: str, interval: float) -> None:
    """Do nothing at all."""
    await asyncio.Event().wait()


WAYS: dict[str, Callable[[], Callable[[str, str, float], Awaitable[None]]]] = {
    "idle": lambda: wait_for_nothing,
    "trigger": lambda: wait_by_trigger,
    "shared client": lambda: wait_by(look_by_a_shared_client()),
    "own clients": lambda: wait_by(look_by_a_client_of_its_own()),
}


async def probe(lags: list[float], every: float) -> None:
    """Measure how late the event loop is.

    A loop that stands still for long keeps one probe waiting, and others that it does not let begin.
    """
    loop = asyncio.get_running_loop()
    while True:
        before = loop.time()
        await asyncio.sleep(every)
        lag = loop.time() - before - every
        lags.append(lag)
        while (lag := lag - every) > 0:
            lags.append(lag)


async def ask(url: str, path: str) -> dict[str, dict[str, int]]:
    """Ask the account's own endpoints."""

    def blocking() -> dict[str, dict[str, int]]:
        with urllib.request.urlopen(f"{url}/{path}") as answer:  # noqa: S310 - the account's
            counts: dict[str, dict[str, int]] = json.load(answer)
            return counts

    return await asyncio.to_thread(blocking)


async def end_one_by_one(url: str, ids: list[str], seconds: float, ended: dict[str, float]) -> None:
    """End each session at some moment within so many seconds."""
    began = time.time()
    for moment, session_id in sorted((CHANCE.uniform(0, seconds), session_id) for session_id in ids):
        await asyncio.sleep(began + moment - time.time())
        ended[session_id] = time.time()
        await ask(url, f"end?ids={session_id}")


async def end_at_once(url: str, ids: list[str], seconds: float, ended: dict[str, float]) -> None:
    """End all sessions at once, at some moment within so many seconds."""
    await asyncio.sleep(CHANCE.uniform(0, seconds))
    ended.update(dict.fromkeys(ids, time.time()))
    await ask(url, f"end?ids={','.join(ids)}")


ENDS = {"one by one": end_one_by_one, "at once": end_at_once}


async def measure(arguments: argparse.Namespace) -> Figures:
    """Let them wait, and measure for a while, or until all have been told of their ends."""
    import psutil

    figures, url = Figures(), arguments.url
    wait = WAYS[arguments.way]()

    async def waiter(session_id: str) -> None:
        await wait(url, session_id, arguments.interval)
        figures.told[session_id] = time.time()

    ids = [f"s{number:07d}" for number in range(1, arguments.count + 1)]
    waiters = [asyncio.create_task(waiter(session_id)) for session_id in ids]
    await asyncio.sleep(arguments.warm)
    await ask(url, "forget")
    every = PROBE_EVERY if arguments.end is None else PROBE_ENDS_EVERY
    probing = asyncio.create_task(probe(figures.lags, every))
    cpu, began = time.process_time(), time.perf_counter()
    if arguments.end is None:
        await asyncio.sleep(arguments.seconds)
    else:
        await ENDS[arguments.end](url, ids, arguments.seconds, figures.ended)
        await asyncio.gather(*waiters)
    figures.cpu, figures.seconds = time.process_time() - cpu, time.perf_counter() - began
    probing.cancel()
    counts = await ask(url, "counts")
    figures.requests, figures.bytes = counts["requests"], counts["bytes"]
    figures.rss = psutil.Process().memory_info().rss
    figures.lags.sort()
    for task in waiters:
        task.cancel()
    await asyncio.gather(probing, *waiters, return_exceptions=True)
    return figures


def main() -> None:
    """Run, with the same modules loaded whatever the way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--way", choices=WAYS, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--interval", type=float, required=True)
    parser.add_argument("--warm", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--end", choices=ENDS)
    parser.add_argument("--large-list", type=int)
    parser.add_argument("--url", required=True)
    arguments = parser.parse_args()
    connection = {"conn_type": "canfar", "host": f"{arguments.url}/skaha/v1", "password": "a-token"}
    os.environ["AIRFLOW_CONN_CANFAR_DEFAULT"] = json.dumps(connection)
    with tempfile.TemporaryDirectory() as home:
        os.environ["AIRFLOW_HOME"] = home
        from airflow_provider_canfar.skaha.polling import session_cache as listing

        if arguments.large_list is not None:
            listing.LARGE_LIST_BYTES = arguments.large_list
        logging.disable(logging.INFO)
        print(json.dumps(asdict(asyncio.run(measure(arguments)))))


if __name__ == "__main__":
    main()
