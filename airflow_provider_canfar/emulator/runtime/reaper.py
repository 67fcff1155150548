"""Ends the sessions' processes and deletes the temporary folder, even if the emulator was killed.

The emulator runs this file as a separate program and writes to its standard input which process groups have
started (``+123``) and which have ended (``-123``), one a line. If the input closes while groups are running,
the emulator was killed: the reaper sends them SIGTERM and, after a grace period, SIGKILL. Then it deletes the
folder, if it was given one. It imports nothing of the package, so that it starts fast.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable


def remaining_groups(lines: Iterable[str]) -> set[int]:
    """Return the process groups that were reported as started, and not as ended."""
    running: set[int] = set()
    for line in lines:
        group = int(line[1:])
        if line.startswith("+"):
            running.add(group)
        else:
            running.discard(group)
    return running


def signal_group(group: int, number: int) -> bool:
    """Send a signal (0: none) to a process group, and return whether the group still exists."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # macOS raises EPERM for a group of zombies
        return False
    return True


def main(grace: float, folder: str | None = None) -> None:
    """Read the input to its end, then stop the groups that remain.

    :param grace: seconds between SIGTERM and SIGKILL.
    :param folder: a folder to delete at the end.
    """
    running = remaining_groups(sys.stdin)
    running = {group for group in running if signal_group(group, signal.SIGTERM)}
    deadline = time.monotonic() + grace
    while running and time.monotonic() < deadline:
        time.sleep(0.05)
        running = {group for group in running if signal_group(group, 0)}
    for group in running:
        signal_group(group, signal.SIGKILL)
    if folder:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(float(sys.argv[1]), *sys.argv[2:])
