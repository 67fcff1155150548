"""Find programs that tests need, and install Debian's packages of them where that is allowed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class NotInstalled(Exception):
    """A program is neither installed nor installable; the message says what to do."""


def find_or_install(find: Callable[[], T | None], *packages: str) -> T:
    """Return what a function finds; where that is nothing, install packages if this process is root.

    No service of the packages is started.

    :param find: returns something true about the installed program, such as its path.
    :param packages: the packages with the program.
    :raises NotInstalled: when it is missing afterwards.
    """
    if found := find():
        return found
    names = " ".join(packages)
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise NotInstalled(f"Not everything is installed. Install it with `apt install {names}`.")
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
        done = subprocess.run(
            # Wait for another installation that may be in progress.
            ["apt-get", "--quiet", "--option", "DPkg::Lock::Timeout=120", *arguments],
            # In Debian's runlevel 1, the scripts of packages start no service.
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise NotInstalled(f"`apt-get {arguments[0]}` of {names} failed: {done.stderr.strip()}")
    if found := find():
        return found
    raise NotInstalled(f"The packages {names} are installed, but a program of them was not found.")
