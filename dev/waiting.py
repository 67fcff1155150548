"""Wait for a condition instead of for a time, and stop waiting when somebody asks to stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event
from typing import TypeVar

T = TypeVar("T")


class Interrupted(Exception):
    """Somebody asked to stop, with Ctrl-C or a signal, while there was something to wait for."""


def until(
    look: Callable[[], T],
    *,
    for_what: str,
    seconds: float,
    stop: Event | None = None,
    every: float = 0.25,
) -> T:
    """Look again and again until there is something to see, and return that.

    :param look: returns something true once the condition holds; what it raises ends the wait.
    :param for_what: what is waited for, for the error's sentence.
    :param seconds: how long at most.
    :param stop: set by whoever wants the waiting to end.
    :param every: seconds between two looks.
    :raises TimeoutError: when the time is over.
    :raises Interrupted: when ``stop`` was set.
    """
    stop = stop or Event()
    last = time.monotonic() + seconds
    while not (seen := look()):
        if time.monotonic() > last:
            raise TimeoutError(f"Waited {seconds:.0f} s in vain for {for_what}.")
        if stop.wait(every):
            raise Interrupted(f"Stopped while waiting for {for_what}.")
    return seen
