"""What is left of a process, as this machine tells."""

from __future__ import annotations

import psutil


def is_running(process: int) -> bool:
    """Tell whether a process runs; what has died and was not reaped counts as gone."""
    try:
        return bool(psutil.Process(process).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
