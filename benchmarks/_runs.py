"""Runs of ``_waiters.py`` against ``_account.py``, each in its own process."""

from __future__ import annotations

import contextlib
import json
import math
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Run:
    """The measurements of one run.

    :param cpu: CPU seconds of all threads.
    :param rss: memory in MiB.
    :param lags: the delay of the event loop in seconds: median, 99th percentile, maximum.
    :param delays: seconds from each session's end to its event; sorted.
    :param requests: the number of requests by kind.
    :param bytes: the bytes of the responses, including their headers, by kind of request.
    """

    way: str
    count: int
    seconds: float
    cpu: float
    rss: float
    lags: tuple[float, float, float]
    delays: list[float]
    requests: dict[str, int]
    bytes: dict[str, int]

    @property
    def cpu_share(self) -> float:
        """CPU seconds per second."""
        return self.cpu / self.seconds


def run(
    way: str,
    count: int,
    *,
    interval: float,
    seconds: float,
    warm: float,
    sessions: int | None = None,
    end: str | None = None,
    large_list: int | None = None,
) -> Run:
    """Run a number of waiters in one process, and return its measurements.

    :param way: the way of waiting, one of the keys of ``_waiters.WAYS``.
    :param count: the number of waiters.
    :param interval: seconds between two polls.
    :param seconds: how long to measure.
    :param warm: seconds before the measurement, until all waiters are waiting.
    :param sessions: the number of sessions in the account; by default, one per waiter.
    :param end: how the sessions end within ``seconds``: ``one by one`` or ``at once``; None if they do not.
    :param large_list: the size in bytes from which a list counts as large; by default, the provider's own.
    """
    with account(sessions or count) as url:
        command = [
            sys.executable,
            str(HERE / "_waiters.py"),
            f"--way={way}",
            f"--count={count}",
            f"--url={url}",
        ]
        command += [f"--interval={interval}", f"--warm={warm}", f"--seconds={seconds}"]
        command += [f"--end={end}"] if end else []
        command += [] if large_list is None else [f"--large-list={large_list}"]
        waiters = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603 - ours
    measured = json.loads(waiters.stdout.splitlines()[-1])
    lags, ended = measured["lags"], measured["ended"]
    return Run(
        way=way,
        count=count,
        seconds=measured["seconds"],
        cpu=measured["cpu"],
        rss=measured["rss"] / 2**20,
        lags=(quantile(lags, 0.5), quantile(lags, 0.99), lags[-1]),
        delays=sorted(at - ended[one] for one, at in measured["reported"].items() if one in ended),
        requests=measured["requests"],
        bytes=measured["bytes"],
    )


@contextlib.contextmanager
def account(sessions: int) -> Iterator[str]:
    """Run the server of an account, and yield its URL."""
    command = [sys.executable, str(HERE / "_account.py"), f"--sessions={sessions}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - ours
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the quantile of sorted values, for example the median for a share of 0.5."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
