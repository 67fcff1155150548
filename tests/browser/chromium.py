"""The Chromium that the machine has, or gets: the driver's own is hundreds of megabytes more."""

from __future__ import annotations

import os
import shutil
import subprocess

#: What distributions call it. Any of them does.
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

#: Debian's packages: Chromium, and the font that Airflow's pages are drawn for.
PACKAGES = ("chromium", "fonts-inter")

#: It comes up by itself on a machine without a screen, and calls nobody but those under test.
QUIETLY = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)


class NoChromium(Exception):
    """There is none, and none can be had; the message says what to do."""


def find_or_install() -> str:
    """Return where Chromium is on this machine; where there is none, and root asks, install Debian's.

    :raises NoChromium: when there is none afterwards.
    """
    if found := _find():
        return found
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise NoChromium("There is no Chromium on this machine. `apt install chromium fonts-inter` gets it.")
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", *PACKAGES]):
        done = subprocess.run(
            # Another installation may be going on; it ends.
            ["apt-get", "--quiet", "--option", "DPkg::Lock::Timeout=120", *arguments],
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            said = done.stderr.strip()
            raise NoChromium(
                f"There is no Chromium on this machine, and `apt-get {arguments[0]}` failed: {said}"
            )
    if found := _find():
        return found
    raise NoChromium("Debian's package chromium has been installed, and there is no such program.")


def arguments() -> list[str]:
    """Return what its command line has; its sandbox does not let root in."""
    return [*QUIETLY, *(["--no-sandbox"] if os.geteuid() == 0 else [])]


def _find() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)
