"""Clears away what an emulator leaves, however it went: its sessions' processes, and its temporary folder.

The emulator starts this file as a program of its own and tells it, line by line on its standard input, which
process groups run (``+123``) and which have ended (``-123``). When the input ends while groups run, the
emulator was killed: they get TERM, and after a grace KILL. At last the folder is deleted, if there is one to
delete. It imports nothing of the package, so that it starts at once.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable


def groups_left(lines: Iterable[str]) -> set[int]:
    """Return the process groups that were told of as running, and not as ended."""
    running: set[int] = set()
    for line in lines:
        group = int(line[1:])
        if line.startswith("+"):
            running.add(group)
        else:
            running.discard(group)
    return running


def signal_group(group: int, number: int) -> bool:
    """Send a signal (0: none) to a process group, and tell whether there was anybody to get it."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
        return False
    return True


def main(grace: float, folder: str | None = None) -> None:
    """Watch until the input ends, then clear away what is left.

    :param grace: seconds between TERM and KILL.
    :param folder: a folder to delete at last.
    """
    running = groups_left(sys.stdin)
    running = {group for group in running if signal_group(group, signal.SIGTERM)}
    last = time.monotonic() + grace
    while running and time.monotonic() < last:
        time.sleep(0.05)
        running = {group for group in running if signal_group(group, 0)}
    for group in running:
        signal_group(group, signal.SIGKILL)
    if folder:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(float(sys.argv[1]), *sys.argv[2:])
