"""The trigger that watches a task's sessions while the task holds no worker slot."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger

from airflow_provider_canfar.skaha.log_line import ErrorLine, WarningLine
from airflow_provider_canfar.triggers._base import CanfarTaskTrigger

if TYPE_CHECKING:
    from airflow_provider_canfar.hooks.canfar import CanfarHook

__all__ = ["CanfarSessionTrigger"]

#: Seconds for which a destroy is tried again. Airflow gives on_kill 30 s ([triggerer] on_kill_timeout).
DESTROY_RETRY_FOR = 15.0

#: The states of a task that a person or a time limit has ended while it was deferred. A task in any other
#: state has a next execute, which destroys the sessions that it does not adopt.
TERMINAL_STATES = frozenset({"failed", "success", "skipped", "upstream_failed", "removed"})

#: From 3.3 on, Airflow calls a trigger's on_kill. Before, a kill cancels the trigger like anything else does.
AIRFLOW_CALLS_ON_KILL = hasattr(BaseTrigger, "on_kill")


class CanfarSessionTrigger(CanfarTaskTrigger):
    """Wait until the worker has something to do about a task's sessions.

    It launches and records nothing, so two copies of it do no harm. The event says why the worker is woken,
    and which sessions have ended.

    :param canfar_conn_id: the Airflow connection.
    :param wait_spec: what to wait for, as JSON: ids, names and times of a
        :class:`~airflow_provider_canfar.task_sessions.wait_spec.WaitSpec`. For an interactive task,
        the trigger also waits for a free slot and until the session can be opened, and keeps it alive.
    :param poll_interval: seconds between two polls of the platform.
    :param task_instance: the task instance that waits, from
        :meth:`~airflow_provider_canfar.hooks._task_instance.TaskInstanceId.to_json`.
    :param destroy_on_kill: whether to destroy the sessions when a person or a time limit ends the task.
    :param destroy_on_success: whether a task that has succeeded needs no sessions. Otherwise it may have left
        them running: a triggerer that has lost this trigger to another may learn of it only then.
    """

    def __init__(
        self,
        *,
        canfar_conn_id: str = "canfar_default",
        wait_spec: dict[str, Any] | None = None,
        poll_interval: float = 15.0,
        task_instance: dict[str, Any] | None = None,
        destroy_on_kill: bool = True,
        destroy_on_success: bool = True,
        **_unknown: Any,
    ) -> None:
        super().__init__(canfar_conn_id=canfar_conn_id, poll_interval=poll_interval)
        self.wait_spec = wait_spec
        # Airflow sets the attribute task_instance itself (BaseTrigger.task_instance).
        self.task_instance_id = task_instance
        self.destroy_on_kill = destroy_on_kill
        self.destroy_on_success = destroy_on_success
        self._destroying: asyncio.Task[None] | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path, and the arguments as JSON."""
        path, arguments = super().serialize()
        return path, arguments | {"task_instance": self.task_instance_id}

    async def _payload(self) -> dict[str, Any]:
        try:
            return await super()._payload()
        except asyncio.CancelledError:
            if self.trigger_id is None:
                await self._destroy_after_interrupt()
            elif not AIRFLOW_CALLS_ON_KILL:
                await self.on_kill()
            raise

    async def _destroy_after_interrupt(self) -> None:
        """Destroy the sessions after Ctrl-C where no triggerer runs this, as in ``dag.test()``."""
        if self.destroy_on_kill:
            await self._destroy_sessions("interrupted")
        else:
            self._emit("Leaving the sessions running after an interrupt, as destroy_on_kill is False.")

    async def _wait(self, hook: CanfarHook) -> dict[str, Any]:
        from airflow_provider_canfar.hooks._progress import ProgressWriter
        from airflow_provider_canfar.task_sessions.wait import task_wait_of, wait_for_sessions

        task_wait = task_wait_of(self.wait_spec or {})
        write = self._progress_write()
        writer = None if write is None else ProgressWriter(write)
        try:
            wake = await wait_for_sessions(
                task_wait, self._subscribe(hook), emit=self._emit, write_progress=writer
            )
        finally:
            if writer is not None:
                writer.close()
        return wake.to_json()

    def _progress_write(self) -> Callable[[dict[str, Any]], Awaitable[None]] | None:
        """Return what writes the XCom ``progress``; None where this Airflow cannot.

        Without an id, no triggerer runs this, and there is no channel to Airflow.
        """
        from airflow_provider_canfar.hooks._airflow_compat import trigger_xcom_set

        if self.trigger_id is None or self.task_instance_id is None:
            return None
        xcom_set, task_instance = trigger_xcom_set(), self.task_instance_id
        return xcom_set and (lambda value: xcom_set("progress", value, **task_instance))

    async def on_kill(self) -> None:
        """Destroy the sessions if a person has killed the task.

        Airflow also calls this when a triggerer has merely lost its triggers to another one, and cancels it
        every second until it returns. So a task of its own destroys them, which those cancellations do not
        reach.
        """
        if self.destroy_on_kill:
            self._destroying = self._destroying or asyncio.create_task(self._destroy_if_task_has_ended())
            await asyncio.shield(self._destroying)

    async def _destroy_if_task_has_ended(self) -> None:
        state = await self._task_state()
        if state in TERMINAL_STATES and (state != "success" or self.destroy_on_success):
            await self._destroy_sessions(f"the task's state is {state}")
        else:
            # Another triggerer watches the sessions or has woken the worker, or the state is unknown. If the
            # task was cleared, its next execute destroys the sessions that it does not adopt. Or the task has
            # succeeded and leaves its sessions running.
            self._emit(f"Leaving the sessions alone: the task's state is {state or 'unknown'}.")

    async def _destroy_sessions(self, reason: str) -> None:
        from airflow_provider_canfar.hooks.canfar import CanfarHook
        from airflow_provider_canfar.skaha.errors import CanfarError
        from airflow_provider_canfar.task_sessions.wait_spec import session_ids

        try:
            async with CanfarHook(self.canfar_conn_id).client(retry_for=DESTROY_RETRY_FOR) as client:
                destroyed = await client.destroy(session_ids(self.wait_spec))
        except CanfarError as error:
            self._emit(ErrorLine(f"Could not destroy all sessions ({reason}): {error}"))
            return
        unconfirmed = [session_id for session_id, is_gone in destroyed.items() if not is_gone]
        count = len(destroyed) - len(unconfirmed)
        self._emit(f"Destroyed {count} of {len(destroyed)} sessions: {reason}.")
        if unconfirmed:
            self._emit(WarningLine(f"Delete was requested but not confirmed: {', '.join(unconfirmed)}."))

    async def _task_state(self) -> str | None:
        """Ask Airflow for the task's state; None if it has none or Airflow does not answer."""
        from asgiref.sync import sync_to_async

        from airflow_provider_canfar.hooks._task_instance import TaskInstanceId

        if self.task_instance_id is None:
            return None
        try:
            # Not asyncio.to_thread: see read_connection.
            return await sync_to_async(TaskInstanceId(**self.task_instance_id).state)()
        except Exception as error:  # noqa: BLE001 - whatever it is, the state is unknown: destroy nothing
            self._emit(WarningLine(f"Could not read the task's state from Airflow: {error}"))
            return None
