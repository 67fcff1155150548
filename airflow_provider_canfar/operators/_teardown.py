"""What becomes of a task's sessions when the task ends before they do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from airflow_provider_canfar.operators._phase_errors import leaves_to_retry
from airflow_provider_canfar.skaha.errors import CanfarError
from airflow_provider_canfar.skaha.log_line import ErrorLine, WarningLine
from airflow_provider_canfar.task_sessions.failure_report import unsettled_ids
from airflow_provider_canfar.task_sessions.lost_creates import LOST_CREATE_WAIT

if TYPE_CHECKING:
    from airflow_provider_canfar.hooks.canfar import CanfarHook
    from airflow_provider_canfar.skaha.client import SkahaClient
    from airflow_provider_canfar.task_sessions.batch import Batch
    from airflow_provider_canfar.task_sessions.ended_session import OutcomeRecorder
    from airflow_provider_canfar.task_sessions.reconcile import Reconciler
    from airflow_provider_canfar.task_sessions.run_options import RunOptions

#: Seconds for which destroying all sessions is retried; a person waits for the task to end.
DESTROY_RETRY_FOR = 15.0

#: Seconds for the last lines of sessions that have run out of time.
LAST_LINES_WITHIN = 10.0

#: Seconds for which a kill waits for creates that are under way, out of the few that Airflow grants.
KILL_WAITS_FOR_CREATES = 1.5


class Teardown:
    """Destroys the sessions of a task that ends, or leaves them to a retry.

    :param hook: the platform, with its connection already read.
    :param reconciler: what is known of the sessions.
    :param emit: writes one line to the task's log.
    """

    def __init__(self, hook: CanfarHook, reconciler: Reconciler, emit: Callable[[str], None]) -> None:
        self._hook = hook
        self._reconciler = reconciler
        self._emit = emit
        self._has_left = False

    def after(
        self, error: BaseException, options: RunOptions, *, retry_follows: Callable[[BaseException], bool]
    ) -> None:
        """Destroy the sessions after an error, or leave them to the retry that follows it."""
        if leaves_to_retry(error) and retry_follows(error):
            self.leave_to_retry(type(error).__name__)
            return
        destroys = isinstance(error, Exception) or options.destroy_on_kill
        if not self._reconciler.is_destroyed:
            action, ids = "Destroying" if destroys else "Leaving running", unsettled_ids(self._batch)
            self._emit(f"{action} the sessions of this task after {type(error).__name__}: {ids}.")
        if destroys:
            # Even where none is known: a create may be under way.
            self.destroy_all()

    def leave_to_retry(self, reason: str) -> None:
        """Say once that the sessions run on, and what adopts them."""
        if self._batch.unsettled() and not self._has_left:
            self._has_left = True
            ids, number = unsettled_ids(self._batch), self._batch.try_number + 1
            self._emit(f"Sessions left running: try {number} will adopt them ({reason}): {ids}.")

    @property
    def _batch(self) -> Batch:
        return self._reconciler.batch

    def destroy_all(self, *, timeout: float | None = None) -> None:
        """Destroy every live session of this task, as far as the platform allows; never raises an Exception.

        What could not be destroyed is destroyed by the next execute of the task.
        """
        reconciler, launcher = self._reconciler, self._reconciler.launcher

        async def destroy_all(client: SkahaClient) -> list[str]:
            if launcher.is_launching:
                # Destroy what exists already meanwhile: a kill has only a few seconds.
                existing = reconciler.destroy_all(client)
                creates = launcher.wait_for_creates(within=KILL_WAITS_FOR_CREATES)
                await asyncio.gather(existing, creates, return_exceptions=True)
            return await reconciler.destroy_all(client)

        try:
            alive = self._hook.call(destroy_all, retry_for=DESTROY_RETRY_FOR, timeout=timeout)
        except (CanfarError, TimeoutError) as error:
            self._emit(ErrorLine(f"Could not destroy the sessions of this task: {error}"))
        else:
            if alive:
                self._emit(ErrorLine(f"Still alive: {', '.join(alive)}."))

    def stop_creating(self) -> None:
        """Wait for creates that one of Airflow's own time-outs has interrupted: it cancels none of them."""
        launcher = self._reconciler.launcher
        if launcher.is_launching:
            launcher.stopped = True
            self._hook.run(partial(launcher.wait_for_creates, within=LOST_CREATE_WAIT))

    def out_of_time(self, recorder: OutcomeRecorder, options: RunOptions) -> None:
        """Record what has ended, and destroy the rest, unless the author wants it to run on."""
        self.stop_creating()
        # Without their last lines the error says less.
        with suppress(CanfarError, TimeoutError):
            left = self._batch.unsettled().values()
            self._hook.call(lambda client: recorder.read_last_lines(client, left), timeout=LAST_LINES_WITHIN)
        if options.destroy_on_kill:
            self.destroy_all()
        self.record_ends()

    def record_ends(self) -> None:
        """Record how replicas have ended, and show their logs, before the task fails for another reason."""
        try:
            self._hook.call(self._reconciler.record_ends, retry_for=DESTROY_RETRY_FOR)
        except CanfarError as error:
            self._emit(WarningLine(f"Could not record every session that had ended: {error}"))

    def destroy_ended(self, ended: Sequence[str]) -> None:
        """Destroy sessions that have ended.

        :param ended: their ids.
        """
        if ended:
            try:
                self._hook.call(lambda client: client.destroy(ended))
            except CanfarError as error:
                # They have ended, and the platform forgets them within the hour anyway.
                self._emit(WarningLine(f"Could not destroy every session that has ended: {error}"))
