"""Find or install Chromium with the system's packages; the driver's own is hundreds of megabytes more."""

from __future__ import annotations

import os
import shutil

from tests import debian

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


def find_or_install() -> str:
    """Return the path of Chromium; where it is missing, install Debian's package if this process is root.

    :raises tests.debian.NotInstalled: when it is missing afterwards.
    """
    return debian.find_or_install(_find, *PACKAGES)


def arguments() -> list[str]:
    """Return the command-line arguments; its sandbox does not work for root."""
    return [*OPTIONS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]


def _find() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)
