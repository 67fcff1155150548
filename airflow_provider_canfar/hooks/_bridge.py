"""The bridge from blocking callers to async code: one event loop in a thread of this process.

A thread, and not ``asyncio.run``, because Airflow calls an operator's ``on_kill`` in a signal handler, in
the middle of whatever the main thread is waiting for; only a loop in another thread still works then.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from airflow_provider_canfar.hooks._explained import explained

T = TypeVar("T")


class Bridge:
    """Run coroutines for callers that have no event loop.

    The loop starts with the first call, and again in a forked child, where threads do not follow.
    """

    def __init__(self) -> None:
        #: By process id. There is no lock: a forked child might find it held for ever, and a signal handler
        #: might find it held by the very caller that it has interrupted.
        self._loops: dict[int, asyncio.AbstractEventLoop] = {}

    def run(self, call: Callable[[], Coroutine[Any, Any, T]], *, timeout: float | None = None) -> T:
        """Run a coroutine to its end and return its result.

        Interrupting the caller (with an Airflow timeout, or a signal) cancels the coroutine.

        :param call: creates the coroutine; called only when it is certain to be awaited.
        :param timeout: give up after this many seconds.
        :raises RuntimeError: if the caller is itself inside a running event loop.
        :raises TimeoutError: after the timeout.
        """
        require_no_running_loop()
        future = asyncio.run_coroutine_threadsafe(call(), self._running_loop())
        try:
            return future.result(timeout)
        except BaseException:  # Any interruption of the caller, including a signal's, is raised again.
            future.cancel()
            raise

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        loop = self._loops.get(os.getpid())
        if loop is None:
            started = asyncio.new_event_loop()
            threading.Thread(target=_run, args=(started,), name="canfar-bridge", daemon=True).start()
            # Several callers at once all use the one that was stored first.
            loop = self._loops.setdefault(os.getpid(), started)
            if loop is not started:
                started.call_soon_threadsafe(started.stop)
        return loop


def _run(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()


def require_no_running_loop() -> None:
    """Fail if a blocking call would stop the caller's own event loop.

    :raises RuntimeError: if one is running.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise explained(
        RuntimeError(
            "A blocking call of CanfarHook inside a running event loop would stop that loop. "
            "Use `async with hook.client() as client:` there and await the client's own methods."
        )
    )


#: The bridge of this process.
BRIDGE = Bridge()
