"""What it costs that many tasks wait: one poll for all of them, against a request for each.

Each way runs in a process of its own, against an account that a third process answers for. An interval is
five seconds. ``--full`` measures for a minute each, with more and fewer who wait, and what the two questions
of the shared poll cost; ``--plot`` draws the result.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from _runs import Run, run  # type: ignore[import-not-found] # It lies beside this script.

from airflow_provider_canfar.skaha.polling.session_cache import URGENT_FULL_LIST_INTERVAL

INTERVAL = 5.0

COUNTS = (100, 1000, 10_000)

#: Seconds until those who have begun to wait have been shown their sessions, and so many can begin in one.
#: What is measured is waiting.
WARM = 8.0
STARTED_PER_SECOND = 500

LABELS = {
    "idle": "nobody waits",
    "trigger": "CanfarSessionTrigger: one poll for all",
    "shared client": "one httpx.AsyncClient, a GET for each",
    "own clients": "a new httpx.AsyncClient for each GET",
}

HEAD = (
    f"{f'in {INTERVAL:.0f} s of waiting':40}{'':36}{'loop late by, ms':>30}{'RSS':>7}\n"
    f"{'':40}{'waiting':>8}{'requests':>10}{'kB':>10}{'CPU ms':>8}{'p50':>10}{'p99':>10}{'max':>10}{'MiB':>7}"
)


def row(one: Run) -> str:
    """Write one run as a line of the table."""
    intervals = one.seconds / INTERVAL
    p50, p99, most = (1000 * lag for lag in one.lags)
    return (
        f"{LABELS[one.way]:40}{one.count:8}{sum(one.requests.values()) / intervals:10.1f}"
        f"{sum(one.bytes.values()) / intervals / 1000:10.2f}{1000 * one.cpu / intervals:8.0f}"
        f"{p50:10.1f}{p99:10.1f}{most:10.1f}{one.rss:7.0f}"
    )


def measure(ways: list[tuple[str, int]], seconds: float) -> list[Run]:
    """Run each way with so many, and print the table line by line."""
    print(HEAD)
    runs = []
    for way, count in ways:
        runs.append(
            run(way, count, interval=INTERVAL, seconds=seconds, warm=WARM + count / STARTED_PER_SECOND)
        )
        print(row(runs[-1]), flush=True)
    return runs


def aims(runs: list[Run]) -> None:
    """Print what was aimed at beside what was measured."""
    ours = {one.count: one for one in runs if one.way == "trigger"}
    (idle,) = [one for one in runs if one.way == "idle"]
    print()
    for one in [one for one in runs if one.way in {"shared client", "own clients"} and one.count in ours]:
        shared_poll = ours[one.count]
        # A baseline that cannot keep its interval has sent fewer than it should.
        due = one.count * one.seconds / INTERVAL
        kept = min(1.0, sum(one.requests.values()) / due)
        requests = due / one.seconds / (sum(shared_poll.requests.values()) / shared_poll.seconds)
        cpu = (one.cpu_share - idle.cpu_share) / max(1e-6, shared_poll.cpu_share - idle.cpu_share)
        fewer, least = (" (aim: 900)", " (aim: 1/100)") if one.count == 1000 else ("", "")
        print(
            f"{one.count} wait, against {LABELS[one.way]}, which makes {kept:.0%} of its looks:\n"
            f"    {requests:.0f} times fewer requests{fewer}\n"
            f"    1/{cpu:.0f} of its CPU over an idle loop{least}, "
            f"and 1/{cpu / kept:.0f} if it made all of them"
        )
    for count, aim in ((1000, 10), (10_000, 50)):
        late, idly = 1000 * ours[count].lags[1], 1000 * idle.lags[1]
        print(f"{count} wait: loop late by {late:.1f} ms, p99 (aim: {aim}); where nobody waits, {idly:.1f}")
    most = ours[10_000]
    # Two requests are one look.
    subscription = max(1, most.requests.get("ended ones", 0) // 2)
    print(
        f"10000 wait: {most.bytes.get('ended ones', 0) / subscription / 1000:.2f} kB for a look that shows no news "
        f"(aim: 2); beside {subscription} of these, {most.requests.get('all sessions', 0)} whole lists of "
        f"{most.bytes.get('all sessions', 0) / max(1, most.requests.get('all sessions', 0)) / 1e6:.1f} MB"
    )


def questions(seconds: float) -> None:
    """Print what a look costs by either question of the shared poll."""
    print(f"\n{'one look, by question':28}{'sessions':>10}{'requests':>10}{'kB':>10}{'CPU ms':>8}")
    idle = run("idle", 1, interval=1.0, seconds=seconds, warm=3)
    for count in (1000, 2000, 10_000):
        for question, large_list in (("all sessions", 10**12), ("ended ones", 0)):
            # The whole lists that those get who have just come are over by then.
            warm = WARM + URGENT_FULL_LIST_INTERVAL if large_list == 0 else WARM + count / STARTED_PER_SECOND
            one = run("trigger", count, interval=1.0, seconds=seconds, warm=warm, large_list=large_list)
            asked, of_one_look = one.requests.get(question, 1), 1 if large_list else 2
            subscription = asked / of_one_look
            cpu = 1000 * (one.cpu - idle.cpu_share * one.seconds) / subscription
            size = one.bytes.get(question, 0) / subscription / 1000
            print(f"{question:28}{count:10}{of_one_look:10}{size:10.2f}{cpu:8.1f}", flush=True)


def plot(runs: list[Run], path: Path) -> None:
    """Draw requests, CPU and lateness over how many wait."""
    from matplotlib.figure import Figure

    (idle,) = [one for one in runs if one.way == "idle"]
    figure = Figure(figsize=(12, 3.8), layout="constrained")
    panels = figure.subplots(1, 3)
    values: tuple[tuple[str, Callable[[Run], float]], ...] = (
        (f"requests per {INTERVAL:.0f} s", lambda one: sum(one.requests.values()) * INTERVAL / one.seconds),
        ("CPU over an idle loop, % of a core", lambda one: 100 * max(1e-4, one.cpu_share - idle.cpu_share)),
        ("event loop late by, p99, ms", lambda one: 1000 * one.lags[1]),
    )
    for panel, (title, value) in zip(panels, values, strict=True):
        for way, marker in (("own clients", "^"), ("shared client", "s"), ("trigger", "o")):
            shown = [one for one in runs if one.way == way]
            panel.plot(
                [one.count for one in shown], [value(one) for one in shown], marker=marker, label=LABELS[way]
            )
        panel.set(title=title, xlabel="tasks that wait", xscale="log", yscale="log")
        panel.grid(alpha=0.3)
    panels[0].legend(fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    print(f"drawn: {path}")


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="a minute each, and all baselines")
    parser.add_argument("--plot", type=Path, help="draw the result into this file")
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
        # Ten thousand clients of their own would need ten gigabytes.
        ways += [("own clients", count) for count in COUNTS[:2]]
    runs = measure(ways, seconds=60 if arguments.full else 10)
    aims(runs)
    if arguments.full:
        questions(seconds=10)
    if arguments.plot:
        plot(runs, arguments.plot)


if __name__ == "__main__":
    main()
