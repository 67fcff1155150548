"""A process in which many waiters wait for one session each. It measures itself.

The last line that it prints has the measurements: see :class:`Measurements`.
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

RANDOM = random.Random(1)  # noqa: S311 - not for a secret

#: Seconds between two probes of the event loop's delay: during a minute of waiting, when the CPU time of each
#: probe is measured too, and during the few seconds in which sessions end.
PROBE_INTERVAL = 0.05
PROBE_INTERVAL_OF_ENDS = 0.01


@dataclass
class Measurements:
    """The measurements.

    :param cpu: CPU seconds of all threads.
    :param lags: the delay of the event loop at each probe, in seconds; sorted.
    :param rss: memory in bytes.
    :param ended: when each session ended, in seconds since the epoch.
    :param reported: when each end was reported, in seconds since the epoch.
    :param requests: the number of requests by kind.
    :param bytes: the bytes of the responses, including their headers, by kind of request.
    """

    cpu: float = 0.0
    seconds: float = 0.0
    lags: list[float] = field(default_factory=list)
    rss: int = 0
    ended: dict[str, float] = field(default_factory=dict)
    reported: dict[str, float] = field(default_factory=dict)
    requests: dict[str, int] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)


async def wait_by_trigger(url: str, session_id: str, interval: float) -> None:
    """Wait like a deferred task of this provider."""
    from airflow_provider_canfar.task_sessions.wait_spec import WaitSpec
    from airflow_provider_canfar.triggers.session import CanfarSessionTrigger

    number = int(session_id[1:])
    wait_spec = WaitSpec(f"{number:010d}", {session_id: f"af-reduce-k3v5x2qamd-0-{number}-1"})
    trigger = CanfarSessionTrigger(wait_spec=wait_spec.to_json(), poll_interval=interval)
    await anext(trigger.run())


def poll_with_shared_client() -> Callable[[str, str], Awaitable[str]]:
    """Return a function that reads one session's status; all calls share a client."""
    import httpx

    client = httpx.AsyncClient(limits=httpx.Limits(), timeout=60)

    async def poll(url: str, session_id: str) -> str:
        response = await client.get(f"{url}/skaha/v1/session/{session_id}")
        return str(response.json()["status"])

    return poll


def poll_with_new_clients() -> Callable[[str, str], Awaitable[str]]:
    """Return a function that reads one session's status with a new client each time, as providers do."""
    import httpx

    async def poll(url: str, session_id: str) -> str:
        async with httpx.AsyncClient(timeout=60) as client:
            response = await client.get(f"{url}/skaha/v1/session/{session_id}")
        return str(response.json()["status"])

    return poll


def wait_with(poll: Callable[[str, str], Awaitable[str]]) -> Callable[[str, str, float], Awaitable[None]]:
    """Return a function that polls a session once per interval until it has ended."""

    async def wait(url: str, session_id: str, interval: float) -> None:
        await asyncio.sleep(RANDOM.uniform(0, interval))
        while await poll(url, session_id) == "Running":  # noqa: ASYNC110 - polling is what this measures
            await asyncio.sleep(interval)

    return wait


async def wait_for_nothing(url: str, session_id: str, interval: float) -> None:
    """Do nothing."""
    await asyncio.Event().wait()


WAYS: dict[str, Callable[[], Callable[[str, str, float], Awaitable[None]]]] = {
    "idle": lambda: wait_for_nothing,
    "trigger": lambda: wait_by_trigger,
    "shared client": lambda: wait_with(poll_with_shared_client()),
    "own clients": lambda: wait_with(poll_with_new_clients()),
}


async def probe(lags: list[float], interval: float) -> None:
    """Measure the delay of the event loop.

    While the loop is blocked, it delays one probe and prevents others from starting; those are added.
    """
    loop = asyncio.get_running_loop()
    while True:
        before = loop.time()
        await asyncio.sleep(interval)
        lag = loop.time() - before - interval
        lags.append(lag)
        while (lag := lag - interval) > 0:
            lags.append(lag)


async def control(url: str, path: str) -> dict[str, dict[str, int]]:
    """Call a control endpoint of the account."""

    def blocking() -> dict[str, dict[str, int]]:
        with urllib.request.urlopen(f"{url}/{path}") as response:  # noqa: S310 - the account's
            counts: dict[str, dict[str, int]] = json.load(response)
            return counts

    return await asyncio.to_thread(blocking)


async def end_one_by_one(url: str, ids: list[str], seconds: float, ended: dict[str, float]) -> None:
    """End each session at a random time within a number of seconds."""
    began = time.time()
    for moment, session_id in sorted((RANDOM.uniform(0, seconds), session_id) for session_id in ids):
        await asyncio.sleep(began + moment - time.time())
        ended[session_id] = time.time()
        await control(url, f"end?ids={session_id}")


async def end_at_once(url: str, ids: list[str], seconds: float, ended: dict[str, float]) -> None:
    """End all sessions at once, at a random time within a number of seconds."""
    await asyncio.sleep(RANDOM.uniform(0, seconds))
    ended.update(dict.fromkeys(ids, time.time()))
    await control(url, f"end?ids={','.join(ids)}")


ENDS = {"one by one": end_one_by_one, "at once": end_at_once}


async def measure(arguments: argparse.Namespace) -> Measurements:
    """Start the waiters, and measure for a while, or until the end of every session has been reported."""
    import psutil

    figures, url = Measurements(), arguments.url
    wait = WAYS[arguments.way]()

    async def waiter(session_id: str) -> None:
        await wait(url, session_id, arguments.interval)
        figures.reported[session_id] = time.time()

    ids = [f"s{number:07d}" for number in range(1, arguments.count + 1)]
    waiters = [asyncio.create_task(waiter(session_id)) for session_id in ids]
    await asyncio.sleep(arguments.warm)
    await control(url, "reset")
    interval = PROBE_INTERVAL if arguments.end is None else PROBE_INTERVAL_OF_ENDS
    probing = asyncio.create_task(probe(figures.lags, interval))
    cpu, began = time.process_time(), time.perf_counter()
    if arguments.end is None:
        await asyncio.sleep(arguments.seconds)
    else:
        await ENDS[arguments.end](url, ids, arguments.seconds, figures.ended)
        await asyncio.gather(*waiters)
    figures.cpu, figures.seconds = time.process_time() - cpu, time.perf_counter() - began
    probing.cancel()
    counts = await control(url, "counts")
    figures.requests, figures.bytes = counts["requests"], counts["bytes"]
    figures.rss = psutil.Process().memory_info().rss
    figures.lags.sort()
    for task in waiters:
        task.cancel()
    await asyncio.gather(probing, *waiters, return_exceptions=True)
    return figures


def main() -> None:
    """Run, with the same modules loaded for each way of waiting."""
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
        from airflow_provider_canfar.skaha.polling import session_cache

        if arguments.large_list is not None:
            session_cache.LARGE_LIST_BYTES = arguments.large_list
        logging.disable(logging.INFO)
        print(json.dumps(asdict(asyncio.run(measure(arguments)))))


if __name__ == "__main__":
    main()
