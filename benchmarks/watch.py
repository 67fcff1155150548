"""The cost of many waiting tasks: one shared poll, compared with a request per task.

Each way of waiting runs in its own process, against the server of an account in another process. The interval
is five seconds. ``--full`` measures for a minute each, with more numbers of tasks, and also measures the two
kinds of requests of the shared poll; ``--plot`` draws the result.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from _account import Account
from _runs import Run, run  # type: ignore[import-not-found] # A module in the same folder.

from airflow_provider_canfar.skaha.http.response import ApiResponse
from airflow_provider_canfar.skaha.polling.session_cache import URGENT_FULL_LIST_INTERVAL, SessionCache

INTERVAL = 5.0

COUNTS = (100, 1000, 10_000)

#: Seconds until waiters that have started have seen their sessions, and how many can start per second. The
#: start is not measured.
WARM = 8.0
STARTED_PER_SECOND = 500

LABELS = {
    "idle": "no waiting task",
    "trigger": "CanfarSessionTrigger: one shared poll",
    "shared client": "one httpx.AsyncClient, a GET per task",
    "own clients": "a new httpx.AsyncClient per GET",
}

HEAD = (
    f"{f'in {INTERVAL:.0f} s of waiting':40}{'':36}{'loop delay, ms':>30}{'RSS':>7}\n"
    f"{'':40}{'tasks':>8}{'requests':>10}{'kB':>10}{'CPU ms':>8}{'p50':>10}{'p99':>10}{'max':>10}{'MiB':>7}"
)


def row(one: Run) -> str:
    """Format one run as a line of the table."""
    intervals = one.seconds / INTERVAL
    p50, p99, largest = (1000 * lag for lag in one.lags)
    return (
        f"{LABELS[one.way]:40}{one.count:8}{sum(one.requests.values()) / intervals:10.1f}"
        f"{sum(one.bytes.values()) / intervals / 1000:10.2f}{1000 * one.cpu / intervals:8.0f}"
        f"{p50:10.1f}{p99:10.1f}{largest:10.1f}{one.rss:7.0f}"
    )


def measure(ways: list[tuple[str, int]], seconds: float) -> list[Run]:
    """Run each way with a number of tasks, and print the table line by line."""
    print(HEAD)
    runs = []
    for way, count in ways:
        runs.append(
            run(way, count, interval=INTERVAL, seconds=seconds, warm=WARM + count / STARTED_PER_SECOND)
        )
        print(row(runs[-1]), flush=True)
    return runs


def compare(runs: list[Run]) -> None:
    """Print the measurements next to the aims."""
    ours = {one.count: one for one in runs if one.way == "trigger"}
    (idle,) = [one for one in runs if one.way == "idle"]
    print()
    for one in [one for one in runs if one.way in {"shared client", "own clients"} and one.count in ours]:
        shared_poll = ours[one.count]
        # A baseline that is too slow has sent fewer requests than it should.
        due = one.count * one.seconds / INTERVAL
        kept = min(1.0, sum(one.requests.values()) / due)
        requests = due / one.seconds / (sum(shared_poll.requests.values()) / shared_poll.seconds)
        cpu = (one.cpu_share - idle.cpu_share) / max(1e-6, shared_poll.cpu_share - idle.cpu_share)
        fewer, least = (" (aim: 900)", " (aim: 1/100)") if one.count == 1000 else ("", "")
        print(
            f"{one.count} tasks, compared with {LABELS[one.way]}, which makes {kept:.0%} of its requests:\n"
            f"    {requests:.0f} times fewer requests{fewer}\n"
            f"    1/{cpu:.0f} of its CPU over an idle loop{least}, "
            f"or 1/{cpu / kept:.0f} if it made all of them"
        )
    for count, aim in ((1000, 10), (10_000, 50)):
        delay, idle_delay = 1000 * ours[count].lags[1], 1000 * idle.lags[1]
        print(f"{count} tasks: loop delay {delay:.1f} ms, p99 (aim: {aim}); without tasks, {idle_delay:.1f}")
    largest = ours[10_000]
    # One poll for ended sessions is two requests.
    polls = max(1, largest.requests.get("ended sessions", 0) // 2)
    size = largest.bytes.get("ended sessions", 0) / polls / 1000
    lists = largest.requests.get("all sessions", 0)
    list_size = largest.bytes.get("all sessions", 0) / max(1, lists) / 1e6
    print(
        f"10000 tasks: {size:.2f} kB per poll without changes (aim: 2); in addition to {polls} of these, "
        f"{lists} complete lists of {list_size:.1f} MB"
    )


def request_kinds(seconds: float) -> None:
    """Print the cost of a poll for each kind of request of the shared poll."""
    print(f"\n{'one poll, by request':28}{'sessions':>10}{'requests':>10}{'kB':>10}{'CPU ms':>8}")
    idle = run("idle", 1, interval=1.0, seconds=seconds, warm=3)
    for count in (1000, 2000, 10_000):
        for kind, large_list in (("all sessions", 10**12), ("ended sessions", 0)):
            # The complete lists for new waiters are over by then.
            warm = WARM + URGENT_FULL_LIST_INTERVAL if large_list == 0 else WARM + count / STARTED_PER_SECOND
            one = run("trigger", count, interval=1.0, seconds=seconds, warm=warm, large_list=large_list)
            requests, per_poll = one.requests.get(kind, 1), 1 if large_list else 2
            polls = requests / per_poll
            cpu = 1000 * (one.cpu - idle.cpu_share * one.seconds) / polls
            size = one.bytes.get(kind, 0) / polls / 1000
            print(f"{kind:28}{count:10}{per_poll:10}{size:10.2f}{cpu:8.1f}", flush=True)


def one_list() -> None:
    """Print what reading one complete list takes, the least of several times; they differ in usage only."""
    print(f"{'reading one list, CPU ms':28}{'sessions':>10}{'parsed':>10}{'taken in':>10}{'json alone':>12}")
    for count in (1000, 10_000):
        account, cache = Account(count), SessionCache()
        took: list[tuple[float, ...]] = []
        for poll in range(8):
            response = ApiResponse("GET", "session", "", 200, {}, account.list_sessions(None))
            times = [time.process_time()]
            result = cache.parser(None)(response)
            times.append(time.process_time())
            cache.update(result, at=15.0 * poll)
            times.append(time.process_time())
            json.loads(response.body)
            times.append(time.process_time())
            took.append(tuple(1000 * (end - start) for start, end in pairwise(times)))
        # The first list is all new.
        parsed, taken_in, alone = (min(one) for one in zip(*took[1:], strict=True))
        print(f"{'':28}{count:10}{parsed:10.1f}{taken_in:10.1f}{alone:12.1f}")


def plot(runs: list[Run], path: Path) -> None:
    """Draw requests, CPU and loop delay over the number of tasks."""
    from matplotlib.figure import Figure

    (idle,) = [one for one in runs if one.way == "idle"]
    figure = Figure(figsize=(12, 3.8), layout="constrained")
    panels = figure.subplots(1, 3)
    values: tuple[tuple[str, Callable[[Run], float]], ...] = (
        (f"requests per {INTERVAL:.0f} s", lambda one: sum(one.requests.values()) * INTERVAL / one.seconds),
        ("CPU over an idle loop, % of a core", lambda one: 100 * max(1e-4, one.cpu_share - idle.cpu_share)),
        ("event loop delay, p99, ms", lambda one: 1000 * one.lags[1]),
    )
    for panel, (title, value) in zip(panels, values, strict=True):
        for way, marker in (("own clients", "^"), ("shared client", "s"), ("trigger", "o")):
            shown = [one for one in runs if one.way == way]
            panel.plot(
                [one.count for one in shown], [value(one) for one in shown], marker=marker, label=LABELS[way]
            )
        panel.set(title=title, xlabel="waiting tasks", xscale="log", yscale="log")
        panel.grid(alpha=0.3)
    panels[0].legend(fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    print(f"Wrote {path}")


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="measure for a minute each, with all baselines")
    parser.add_argument("--plot", type=Path, help="draw the result to this file")
    arguments = parser.parse_args()
    ways = [
        ("idle", 1),
        ("trigger", 1000),
        ("trigger", 10_000),
        ("shared client", 1000),
        ("own clients", 100),
    ]
    if arguments.full:
        ways = [("idle", 1), *((way, count) for way in ("trigger", "shared client") for count in COUNTS)]
        # Ten thousand separate clients would need ten gigabytes.
        ways += [("own clients", count) for count in COUNTS[:2]]
    one_list()
    print()
    runs = measure(ways, seconds=60 if arguments.full else 10)
    compare(runs)
    if arguments.full:
        request_kinds(seconds=10)
    if arguments.plot:
        plot(runs, arguments.plot)


if __name__ == "__main__":
    main()
