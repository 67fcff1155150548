"""How soon the trigger reports the end of a session, one by one and a thousand at once.

The baseline requests each session separately, with one httpx.AsyncClient and the same interval. Any polling
reports an end half an interval late on average; the difference is in the cost. ``--full`` also measures the
shared poll with requests for ended sessions only, which it uses for a large account.
"""

from __future__ import annotations

import argparse

from _runs import quantile, run  # type: ignore[import-not-found] # A module in the same folder.

#: A trigger fires at the earliest ten seconds after its start; and how many can start per second.
WARM = 11.0
STARTED_PER_SECOND = 500

#: Title, number of sessions, how they end, within how many seconds, and the polling interval.
CASES = (
    ("300 sessions, one by one, interval 2 s", 300, "one by one", 6.0, 2.0),
    ("1000 sessions at once, interval 5 s", 1000, "at once", 1.0, 5.0),
    ("5000 sessions at once, interval 5 s", 5000, "at once", 1.0, 5.0),
)

WAYS = (
    ("CanfarSessionTrigger: one shared poll", "trigger", None),
    ("baseline: one GET per session", "shared client", None),
)
LARGE_ACCOUNT = ("one shared poll, ended sessions only", "trigger", 0)


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="also measure the requests for a large account")
    ways = (*WAYS, LARGE_ACCOUNT) if parser.parse_args().full else WAYS
    for title, count, end, within, interval in CASES:
        print(f"{title:42}{'reported after, s':>24}{'CPU':>16}{'loop delay, ms':>18}")
        print(f"{'':42}{'first':>8}{'p50':>8}{'p99':>8}{'last':>8}{'s':>8}{'p99':>10}{'max':>8}")
        for label, way, large_list in ways:
            warm = WARM + count / STARTED_PER_SECOND
            one = run(
                way, count, interval=interval, seconds=within, warm=warm, end=end, large_list=large_list
            )
            assert len(one.delays) == count
            reported = "".join(f"{quantile(one.delays, share):8.2f}" for share in (0.0, 0.5, 0.99, 1.0))
            delay = f"{1000 * one.lags[1]:10.1f}{1000 * one.lags[2]:8.1f}"
            print(f"{label:42}{reported}{one.cpu:8.2f}{delay}", flush=True)


if __name__ == "__main__":
    main()
