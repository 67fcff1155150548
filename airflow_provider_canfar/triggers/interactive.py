"""The trigger that waits for an interactive session, and keeps it alive."""

from __future__ import annotations

from airflow_provider_canfar.triggers.session import CanfarSessionTrigger


class CanfarInteractiveTrigger(CanfarSessionTrigger):
    """Wait until there is a place for a session, until it can be opened, or while it is kept alive.

    Its arguments are those of :class:`~airflow_provider_canfar.triggers.session.CanfarSessionTrigger`;
    ``wait_spec`` is from :meth:`airflow_provider_canfar.task_sessions.interactive_wait.InteractiveWaiting.to_json`. A person's
    kill of the task destroys the session.
    """
