"""The bridge from blocking callers to async code: one event loop in a thread of this process.

A thread, and not ``asyncio.run``, because Airflow calls an operator's ``on_kill`` in a signal handler, in
the middle of whatever the main thread is waiting for; only a loop elsewhere can then still do something.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Bridge:
    """Run coroutines for callers that have no event loop.

    The loop starts with the first call, and anew in a forked child, where threads do not follow.
    """

    def __init__(self) -> None:
        #: By process id. There is no lock, which a forked child might find held for ever, and a signal
        #: handler held by the very caller that it has interrupted.
        self._loops: dict[int, asyncio.AbstractEventLoop] = {}

    def run(self, call: Callable[[], Coroutine[Any, Any, T]], *, timeout: float | None = None) -> T:
        """Run a coroutine to its end and return what it returns.

        A caller that is interrupted (a time-out of Airflow's, a signal) takes the coroutine down with it.

        :param call: makes the coroutine; called only when it is certain to be awaited.
        :param timeout: give up after this many seconds.
        :raises RuntimeError: when the caller is itself inside a running event loop.
        :raises TimeoutError: when the time is up.
        """
        refuse_inside_a_loop()
        future = asyncio.run_coroutine_threadsafe(call(), self._running_loop())
        try:
            return future.result(timeout)
        except BaseException:  # Whatever interrupts the caller, a signal too, is raised again.
            future.cancel()
            raise

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        loop = self._loops.get(os.getpid())
        if loop is None:
            started = asyncio.new_event_loop()
            threading.Thread(target=_run, args=(started,), name="canfar-bridge", daemon=True).start()
            # Of several that come at once, all take the one that is there first.
            loop = self._loops.setdefault(os.getpid(), started)
            if loop is not started:
                started.call_soon_threadsafe(started.stop)
        return loop


def _run(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()


def refuse_inside_a_loop() -> None:
    """Refuse a caller whose event loop a blocking call would stop.

    :raises RuntimeError: when there is a running one.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError(
        "A blocking call of CanfarHook was made inside a running event loop, which it would stop. "
        "Use `async with hook.client() as client:` there and await the client's own methods."
    )


#: The bridge of this process.
BRIDGE = Bridge()
