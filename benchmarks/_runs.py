"""Runs of ``_waiters.py`` against ``_account.py``, each of them in a process of its own."""

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
    """What one run has measured.

    :param cpu: seconds of all threads.
    :param rss: MiB.
    :param lags: how late the event loop was, in seconds: half of the time, one time in a hundred, at most.
    :param delays: seconds from each session's end to its event; sorted.
    :param requests: how many, by what was asked for.
    :param bytes: the same, of answers with their heads.
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
    """Let so many wait in one process, and return what it has measured.

    :param warm: seconds until all wait, before anything is measured.
    :param sessions: how many the account has; as many as wait, if not said otherwise.
    :param end: how the sessions end within ``seconds``, ``one by one`` or ``at once``; None if they do not.
    :param large_list: from how many bytes on a list counts as large, if it is not as it always is.
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
        delays=sorted(at - ended[one] for one, at in measured["told"].items() if one in ended),
        requests=measured["requests"],
        bytes=measured["bytes"],
    )


@contextlib.contextmanager
def account(sessions: int) -> Iterator[str]:
    """Run an account, and yield its URL."""
    command = [sys.executable, str(HERE / "_account.py"), f"--sessions={sessions}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - ours
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the value that such a share of sorted ones does not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
