"""The folder that one demo uses exclusively."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from collections.abc import Iterator
from pathlib import Path


class DemoFailed(Exception):
    """The demo cannot continue; the message is for the person who started it."""


@contextlib.contextmanager
def exclusive_home(home: Path) -> Iterator[None]:
    """Create an empty folder, and lock it against other demos.

    The files of an earlier demo are deleted: its runs would wait for sessions that no longer exist.

    :raises DemoFailed: when another demo uses the folder, or when it has files that no demo created.
    """
    lock = home / "demo.lock"
    if home.exists() and any(home.iterdir()) and not lock.exists():
        raise DemoFailed(
            f"{home} contains files that do not belong to a demo. Choose another folder with --home."
        )
    home.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as lock_file:
        try:
            fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoFailed(f"Another demo is running in {home}. Stop it first.") from None
        for old in home.iterdir():
            if old.is_dir():
                shutil.rmtree(old)
            elif old != lock:
                old.unlink()
        yield
