"""Wait until a condition holds, instead of for a fixed time, and stop waiting when the user asks for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event
from typing import TypeVar

T = TypeVar("T")


class Interrupted(Exception):
    """The user asked to stop, with Ctrl-C or a signal, during a wait."""


def wait_until(
    condition: Callable[[], T],
    *,
    description: str,
    timeout: float,
    stop: Event | None = None,
    interval: float = 0.25,
) -> T:
    """Evaluate a condition until it is true, and return its value.

    :param condition: returns a true value once it holds; an exception that it raises ends the wait.
    :param description: what the wait is for, as errors say it.
    :param timeout: the most seconds to wait.
    :param stop: when this is set, the wait ends.
    :param interval: seconds between two evaluations.
    :raises TimeoutError: when the timeout has passed.
    :raises Interrupted: when ``stop`` was set.
    """
    stop = stop or Event()
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"Timed out after {timeout:.0f} s waiting for {description}.")
        if stop.wait(interval):
            raise Interrupted(f"Stopped while waiting for {description}.")
    return value
