"""How soon an end is told: from the session's end to the trigger's event, one by one and a thousand at once.

The baseline asks for each session by itself, by one httpx.AsyncClient, as often. Either is told half an
interval late on average, as nobody can know better; what differs is what it costs. ``--full`` has the shared
poll ask for ended sessions only, too, as it does for a large account.
"""

from __future__ import annotations

import argparse

from _runs import quantile, run  # type: ignore[import-not-found] # It lies beside this script.

#: A trigger fires no sooner than ten seconds after its start, whatever it sees.
WARM = 11.0

#: What happens: how many sessions end, in which way, within so many seconds, and the interval of the looks.
STORIES = (
    ("300 sessions, one by one, interval 2 s", 300, "one by one", 6.0, 2.0),
    ("1000 sessions at once, interval 5 s", 1000, "at once", 1.0, 5.0),
)

WAYS = (
    ("CanfarSessionTrigger: one poll for all", "trigger", None),
    ("baseline: a GET for each", "shared client", None),
)
OF_A_LARGE_ACCOUNT = ("one poll for all, of ended ones only", "trigger", 0)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="also as for a large account")
    ways = (*WAYS, OF_A_LARGE_ACCOUNT) if parser.parse_args().full else WAYS
    for title, count, end, within, interval in STORIES:
        print(f"{title:42}{'told after, s':>24}{'CPU':>16}{'loop late by, ms':>18}")
        print(f"{'':42}{'first':>8}{'p50':>8}{'p99':>8}{'last':>8}{'s':>8}{'p99':>10}{'max':>8}")
        for label, way, large_list in ways:
            one = run(
                way, count, interval=interval, seconds=within, warm=WARM, end=end, large_list=large_list
            )
            assert len(one.delays) == count
            told = "".join(f"{quantile(one.delays, share):8.2f}" for share in (0.0, 0.5, 0.99, 1.0))
            late = f"{1000 * one.lags[1]:10.1f}{1000 * one.lags[2]:8.1f}"
            print(f"{label:42}{told}{one.cpu:8.2f}{late}", flush=True)


if __name__ == "__main__":
    main()
