"""One task with thousands of replicas, fifty at a time: wakes, bytes in Airflow's database, CPU, full places.

The provider's own code runs in the task's phases and in its wait, on a platform in memory with a virtual
clock (``_rolling_task.py``), and the poll's interval, Airflow's ten seconds and a worker's start in it. The
baselines are a scheduler that fills each place at once, and a task that keeps its whole state in one value,
which each wake writes again. ``--full`` adds 10,000 replicas, which take some minutes.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from collections.abc import Callable, Sequence
from functools import partial

from _rolling_task import Rolling, ideal, roll  # type: ignore[import-not-found] # A module in the same folder.

PLACES = 50
COUNTS = (500, 2000, 10_000)

#: What a replica that is done takes in the whole state: in a deferral, in the saved state, and in the XCom.
OUTCOME = {
    "replica": 1234,
    "session_id": "k3v9x2qa",
    "name": "af-reduce-k3v5x2qamd-0-1234-1",
    "status": "Completed",
    "succeeded": True,
    "try_number": 1,
    "started": "2026-11-26T15:00:00+00:00",
    "result": None,
    "reason": None,
    "retryable": True,
}
XCOM = {name: OUTCOME[name] for name in ("replica", "session_id", "name", "status", "succeeded")}


def log_normal(least: float, most: float) -> Callable[[random.Random], float]:
    """Return a distribution with 95% of its values between two bounds, cut off there."""
    middle = (math.log(least) + math.log(most)) / 2
    spread = (math.log(most) - math.log(least)) / 4
    return lambda dice: min(most, max(least, dice.lognormvariate(middle, spread)))


#: With the longest, nearly every end is a wake of its own.
LIFETIMES = {
    "30 s to 10 min": log_normal(30, 600),
    "5 to 20 min": log_normal(300, 1200),
    "1 to 6 h": log_normal(3600, 6 * 3600),
}


def before(one: Rolling, *, is_deferrable: bool = True) -> float:
    """Return how many bytes the whole state would take, calculated: all that is done, at each wake."""
    deferrals, xcom = 2 * is_deferrable * len(json.dumps(OUTCOME)), len(json.dumps(XCOM))
    saved = len(json.dumps([*OUTCOME.values()]))
    return float(one.wakes * one.replicas / 2 * (deferrals + xcom + saved))


def exponent(small: Rolling, large: Rolling, value: Callable[[Rolling], float]) -> float:
    """Return the power of the number of replicas with which a value grows."""
    ratio = value(large) / value(small)
    return math.log(ratio) / math.log(large.replicas / small.replicas)


def table(
    title: str,
    counts: Sequence[int],
    lifetime: Callable[[random.Random], float],
    *,
    is_deferrable: bool = True,
) -> None:
    """Run a task of each size, and print a line for each."""
    old = partial(before, is_deferrable=is_deferrable)
    print(f"\n{PLACES} at a time, lifetimes of {title}{'' if is_deferrable else ', deferrable=False'}")
    print(
        f"{'':10}{'':8}{'kB written':>12}{'whole state':>13}{'most kB':>10}{'CPU ms':>13}{'slowest':>10}\n"
        f"{'replicas':>10}{'wakes':>8}{'per replica':>12}{'per replica':>13}{'by a wake':>10}"
        f"{'per replica':>13}{'phase, ms':>10}{'full':>8}{'wall/ideal':>12}"
    )
    runs = []
    for count in counts:
        dice = random.Random(count)  # noqa: S311 - reproducible, not for a secret
        lifetimes = [lifetime(dice) for _ in range(count)]
        one = roll(lifetimes, PLACES, is_deferrable=is_deferrable)
        runs.append(one)
        print(
            f"{count:>10,}{one.wakes:>8,}{one.written / count / 1000:>12.2f}"
            f"{old(one) / count / 1000:>13.1f}{one.largest_wake / 1000:>10.1f}"
            f"{1000 * one.cpu / count:>13.2f}{1000 * one.slowest:>10.0f}{one.fullness:>8.1%}"
            f"{one.wall / ideal(lifetimes, PLACES):>12.3f}",
            flush=True,
        )
    small, large = runs[0], runs[-1]
    growth = {
        "bytes": exponent(small, large, lambda one: one.written),
        "CPU": exponent(small, large, lambda one: one.cpu),
        "bytes of the whole state": exponent(small, large, old),
    }
    print(
        "grows with replicas to the power of: "
        + ", ".join(f"{name} {one:.2f}" for name, one in growth.items())
    )


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="10,000 replicas of each kind")
    counts = COUNTS if parser.parse_args().full else COUNTS[:2]
    for title, lifetime in LIFETIMES.items():
        table(title, counts, lifetime)
    title, lifetime = next(iter(LIFETIMES.items()))
    table(title, counts, lifetime, is_deferrable=False)


if __name__ == "__main__":
    main()
