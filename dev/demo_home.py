"""The folder that a demo has for itself."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from collections.abc import Iterator
from pathlib import Path


class DemoFailed(Exception):
    """The demo cannot go on; the message is for the person who started it."""


@contextlib.contextmanager
def home_of_our_own(home: Path) -> Iterator[None]:
    """Make an empty folder of the demo's, which no other demo uses at the same time.

    What an earlier demo has left there is deleted: its runs would wait for sessions that are gone.

    :raises DemoFailed: when another demo uses it, or when the folder is somebody else's.
    """
    lock = home / "demo.lock"
    if home.exists() and any(home.iterdir()) and not lock.exists():
        raise DemoFailed(f"{home} has files that are not the demo's. Name another folder with --home.")
    home.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoFailed(f"Another demo runs in {home}. Stop it first.") from None
        for old in home.iterdir():
            if old.is_dir():
                shutil.rmtree(old)
            elif old != lock:
                old.unlink()
        yield
