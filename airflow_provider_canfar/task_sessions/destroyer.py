"""Destroying a task's sessions, as far as the platform lets them go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.errors import PartialFailure, RequestError
from airflow_provider_canfar.task_sessions import launch_report

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.client import SkahaClient


class Destroyer:
    """Destroys sessions, and logs each once: while lists show it as Terminating, it may be destroyed again.

    :param emit: writes one line to the task's log.
    """

    def __init__(self, emit: Callable[[str], None]) -> None:
        self._emit = emit
        #: The ids of what has been destroyed.
        self.destroyed: set[str] = set()

    async def destroy(self, client: SkahaClient, names: Mapping[str, str]) -> list[str]:
        """Destroy sessions, and return the ids of those that are still alive, or may be.

        :param names: id -> name.
        """
        if not names:
            return []
        try:
            destroyed = await client.destroy(names)
        except PartialFailure as failure:
            destroyed = failure.results
        except RequestError as error:
            # The error of a single session, which counts as alive until the platform says that it is gone.
            self._emit(launch_report.not_destroyed(names, error))
            destroyed = {}
        alive = [session_id for session_id in names if not destroyed.get(session_id)]
        for session_id in alive:
            self._emit(launch_report.not_confirmed(session_id, names[session_id]))
        new = {one: name for one, name in names.items() if one not in alive and one not in self.destroyed}
        if new:
            self._emit(launch_report.destroyed(new))
        self.destroyed.update(new)
        return alive
