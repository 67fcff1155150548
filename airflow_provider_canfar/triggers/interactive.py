"""The trigger that waits for an interactive session, and keeps it alive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_canfar.triggers.session import CanfarSessionTrigger

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.polling.subscriptions import Subscribe
    from airflow_provider_canfar.task_sessions.wait import WakeEvent

__all__ = ["CanfarInteractiveTrigger"]


class CanfarInteractiveTrigger(CanfarSessionTrigger):
    """Wait until there is a place for a session, until it can be opened, or while it is kept alive.

    Its arguments are those of :class:`~airflow_provider_canfar.triggers.session.CanfarSessionTrigger`;
    ``wait_spec`` is from :meth:`airflow_provider_canfar.task_sessions.interactive_wait.InteractiveWaiting.to_json`. A person's
    kill of the task destroys the session.
    """

    async def _keep(self, watch: Subscribe) -> WakeEvent:
        from airflow_provider_canfar.task_sessions.interactive_wait import InteractiveWaitSpec, keep_open

        wait_spec = InteractiveWaitSpec.from_json(self.wait_spec or {})
        return await keep_open(wait_spec, watch, emit=self._emit)
