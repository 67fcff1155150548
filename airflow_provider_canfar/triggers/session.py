"""The trigger that watches a task's sessions while the task holds no worker slot."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.polling.subscriptions import Subscribe
    from airflow_provider_canfar.task_sessions.wait import WakeEvent

__all__ = ["CanfarSessionTrigger"]

#: No event within this many seconds of the trigger's start. A faster one can reach the scheduler before the
#: executor has reported that the worker let the task go, and the scheduler then fails the task.
NO_EVENT_WITHIN = 10.0

#: Seconds for which a destroy is tried again; Airflow gives an on_kill thirty ([triggerer] on_kill_timeout).
KILL_RETRIES_FOR = 15.0

#: The states of a task that is over: where it waited, a person or a time limit has ended it. A task in any
#: other state has a next execute, which destroys what it does not adopt.
OVER = frozenset({"failed", "success", "skipped", "upstream_failed", "removed"})

#: Airflow 3.3 calls a trigger's on_kill. Before it, a kill is a cancellation like any other.
AIRFLOW_CALLS_ON_KILL = hasattr(BaseTrigger, "on_kill")


class CanfarSessionTrigger(BaseTrigger):
    """Wait until the worker has something to do about a task's sessions.

    It only looks; it launches, destroys and records nothing, so two copies of it do no harm. Its arguments
    are stored and logged in the clear: ids, names and times, and the *name* of the connection.

    :param canfar_conn_id: the Airflow connection to look with.
    :param wait_spec: what is waited for, from :meth:`airflow_provider_canfar.task_sessions.wait.WaitSpec.to_json`.
    :param poll_interval: seconds between two looks.
    :param task_instance: which task instance waits, from :meth:`TaskInstanceId.to_json`; asked after before a kill.
    :param destroy_on_kill: whether a person's kill of the task destroys its sessions.
    :param _unknown: arguments that another release of this provider wrote; a row in Airflow's database outlives
        an upgrade, and a trigger that raises here would take the triggerer down.
    """

    def __init__(
        self,
        *,
        canfar_conn_id: str = "canfar_default",
        wait_spec: dict[str, Any] | None = None,
        poll_interval: float = 15.0,
        task_instance: dict[str, Any] | None = None,
        destroy_on_kill: bool = True,
        **_unknown: Any,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow's own carries no annotations.
        self.canfar_conn_id = canfar_conn_id
        self.wait_spec = wait_spec
        self.poll_interval = poll_interval
        self.waiting_task = task_instance
        self.destroy_on_kill = destroy_on_kill
        self._unknown = _unknown
        self._killing: asyncio.Task[None] | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path, and the arguments as JSON."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "canfar_conn_id": self.canfar_conn_id,
                "wait_spec": self.wait_spec,
                "poll_interval": self.poll_interval,
                "task_instance": self.waiting_task,
                "destroy_on_kill": self.destroy_on_kill,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event, which says why the worker is woken and which ends have been seen."""
        try:
            wake = await self._watch()
        except asyncio.CancelledError:
            if not AIRFLOW_CALLS_ON_KILL:
                await self.on_kill()
            raise
        # Nothing may follow the yield: a trigger that lingers is cancelled as if it had been killed.
        yield TriggerEvent(wake)

    async def _watch(self) -> dict[str, Any]:
        from airflow_provider_canfar.hooks.canfar import CanfarHook

        started = time.monotonic()
        # Nothing that is seen before could be told yet; then, what there is to tell is told at once.
        watch = partial(
            CanfarHook(self.canfar_conn_id).watch, interval=self.poll_interval, soon=NO_EVENT_WITHIN
        )
        wake = await self._keep(watch)
        await asyncio.sleep(max(0.0, started + NO_EVENT_WITHIN - time.monotonic()))
        return wake.to_json()

    async def _keep(self, watch: Subscribe) -> WakeEvent:
        """Look until there is a reason to wake the worker."""
        from airflow_provider_canfar.task_sessions.wait import TaskWait, WaitSpec, keep_watch

        return await keep_watch(TaskWait(WaitSpec.from_json(self.wait_spec or {})), watch, emit=self._emit)

    async def on_kill(self) -> None:
        """Destroy the sessions because a person has killed the task; and only then.

        Airflow also calls this when a triggerer has merely lost its triggers to another one, and cancels it
        again each second until it has returned. So the work is a task of its own, which that does not reach.
        """
        if self.destroy_on_kill:
            self._killing = self._killing or asyncio.create_task(self._kill())
            await asyncio.shield(self._killing)

    async def _kill(self) -> None:
        from airflow_provider_canfar.hooks.canfar import CanfarHook
        from airflow_provider_canfar.skaha.errors import CanfarError

        session_ids = list((self.wait_spec or {}).get("sessions", {}))
        state = await self._task_state()
        if state not in OVER:
            # Another triggerer watches on, or has woken the worker already; or nobody can tell. If the task
            # was cleared, its next execute destroys what it does not adopt.
            self._emit(f"The task's state is {state or 'unknown'}: its sessions are left alone.")
            return
        try:
            async with CanfarHook(self.canfar_conn_id).client(retry_for=KILL_RETRIES_FOR) as client:
                destroyed = await client.destroy(session_ids)
        except CanfarError as error:
            self._emit(f"The task is {state}, and its sessions could not all be destroyed: {error}")
        else:
            alive = [session_id for session_id, is_gone in destroyed.items() if not is_gone]
            self._emit(
                f"The task is {state}: {len(destroyed) - len(alive)} sessions destroyed"
                + (f", still alive: {', '.join(alive)}." if alive else ".")
            )

    async def _task_state(self) -> str | None:
        """Ask Airflow how the task stands; None when there is no telling."""
        from airflow_provider_canfar.hooks._task_instance import TaskInstanceId

        if self.waiting_task is None:
            return None
        try:
            return await asyncio.to_thread(TaskInstanceId(**self.waiting_task).state)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, there is no telling; nothing is killed
            self._emit(f"Airflow did not say how the task stands: {error}")
            return None

    def _emit(self, line: str) -> None:
        # As an argument: a session's name is no format.
        self.log.info("%s", line)
