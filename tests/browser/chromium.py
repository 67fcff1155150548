"""Find or install Chromium with the system's packages; the driver's own is hundreds of megabytes more."""

from __future__ import annotations

import os
import shutil
import subprocess

#: The names of its program in different distributions.
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

#: Debian's packages: Chromium, and the font of Airflow's pages.
PACKAGES = ("chromium", "fonts-inter")

#: Options to run without a screen, and without requests to hosts other than those under test.
OPTIONS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)


class NoChromium(Exception):
    """Chromium is neither installed nor installable; the message says what to do."""


def find_or_install() -> str:
    """Return the path of Chromium; where it is missing, install Debian's package if this process is root.

    :raises NoChromium: when it is missing afterwards.
    """
    if found := _find():
        return found
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise NoChromium("Chromium is not installed. Install it with `apt install chromium fonts-inter`.")
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", *PACKAGES]):
        done = subprocess.run(
            # Wait for another installation that may be in progress.
            ["apt-get", "--quiet", "--option", "DPkg::Lock::Timeout=120", *arguments],
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise NoChromium(
                f"Chromium is not installed, and `apt-get {arguments[0]}` failed: {done.stderr.strip()}"
            )
    if found := _find():
        return found
    raise NoChromium("The package chromium is installed, but its program was not found.")


def arguments() -> list[str]:
    """Return the command-line arguments; its sandbox does not work for root."""
    return [*OPTIONS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]


def _find() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)
