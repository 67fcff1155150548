"""One phase of a task that does not wait for its sessions: it ends when each replica has one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_canfar.operators._task_runner import TaskRunner
from airflow_provider_canfar.task_sessions.outcome_table import table
from airflow_provider_canfar.task_sessions.plan import Verdict

if TYPE_CHECKING:
    from airflow_provider_canfar.task_sessions.batch import Outcome
    from airflow_provider_canfar.task_sessions.wait_spec import WaitSpec


class LaunchRunner(TaskRunner):
    """One phase of a task that launches its sessions, and leaves them running.

    It waits, as its base does, while replicas are queued, while a busy platform takes no more, and until it
    is certain whether a create whose response was lost has made a session.
    """

    def _reconcile(self) -> Verdict | WaitSpec:
        """Do all that can be done now, and return what to wait for; a success once all are launched."""
        next_step = super()._reconcile()
        # How sessions have ended in the meantime is for the task that waits for them to judge.
        return next_step if self.batch.has_unlaunched() else Verdict.SUCCESS

    def _finish(self, verdict: Verdict) -> list[Outcome]:
        """Report what has been launched; raise why the task failed, if too many failed before."""
        if verdict is Verdict.FAILURE:
            return super()._finish(verdict)
        self._emit(table(self.batch, others="launched"))
        self._emit("Leaving the sessions running, as wait_for_completion is False.")
        return [outcome for _, outcome in sorted(self.batch.outcomes.items())]
