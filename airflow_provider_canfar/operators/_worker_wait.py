"""A wait in the worker, where the task does not defer; another thread can end it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import CancelledError
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_canfar.hooks._progress import ProgressWriter
from airflow_provider_canfar.operators._phase_errors import Killed
from airflow_provider_canfar.task_sessions.wait import task_wait_of, wait_for_sessions

if TYPE_CHECKING:
    from airflow_provider_canfar.hooks.canfar import CanfarHook
    from airflow_provider_canfar.task_sessions.wait_spec import WaitSpec, WakeEvent


class WorkerWait:
    """The waits of one phase in a worker.

    :param hook: the platform, with its connection already read.
    :param poll_interval: seconds between two polls.
    :param emit: writes one line to the task's log.
    """

    def __init__(self, hook: CanfarHook, poll_interval: float, emit: Callable[[str], None]) -> None:
        self._hook = hook
        self._poll_interval = poll_interval
        self._emit = emit
        self._wait: asyncio.Task[Any] | None = None
        self._is_ended = False

    def end(self) -> None:
        """End the wait that goes on in another thread, and each that is still to come."""
        self._is_ended = True
        if self._wait is not None:
            self._wait.get_loop().call_soon_threadsafe(self._wait.cancel)

    def run(self, spec: WaitSpec, push: Callable[[dict[str, Any]], None]) -> WakeEvent:
        """Wait until there is something to do.

        :param push: pushes XComs, by key; it may block, and fail.
        :raises Killed: when the wait was ended.
        """
        try:
            return self._hook.run(partial(self._run, spec, push))
        except CancelledError:
            raise Killed("Airflow stopped the worker.") from None

    async def _run(self, spec: WaitSpec, push: Callable[[dict[str, Any]], None]) -> WakeEvent:
        self._wait = asyncio.current_task()
        if self._is_ended and self._wait is not None:
            # Ended after the last round, before there was a wait to cancel.
            self._wait.cancel()
        subscribe = partial(self._hook.watch, interval=self._poll_interval)
        writer = ProgressWriter(lambda value: asyncio.to_thread(push, {"progress": value}))
        try:
            # Written and read back, as over a deferral: both ways to wait are one.
            task_wait = task_wait_of(spec.to_json())
            return await wait_for_sessions(task_wait, subscribe, emit=self._emit, write_progress=writer)
        finally:
            writer.close()
