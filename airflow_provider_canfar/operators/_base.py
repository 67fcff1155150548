"""What operators that launch sessions have in common: who they are, and how they are stopped."""

from __future__ import annotations

import time
from abc import abstractmethod
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk import BaseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_canfar.hooks._task_instance import TaskInstanceId
    from airflow_provider_canfar.operators._task_runner import TaskRunner
    from airflow_provider_canfar.skaha.naming import Identity
    from airflow_provider_canfar.task_sessions.batch import Batch
    from airflow_provider_canfar.task_sessions.saved_state import SavedState

L = TypeVar("L", bound="TaskRunner")

#: Seconds after our own deadline at which Airflow's scheduler ends the wait, should no triggerer be alive.
BACKSTOP = 600.0

#: Seconds that an ``on_kill`` may take: Airflow sends SIGKILL five seconds after its SIGTERM.
KILL_WITHIN = 4.0

#: What Airflow says for "resume" when it ends a deferred task by itself (TRIGGER_FAIL_REPR).
TRIGGER_FAILED = "__fail__"


class SessionOperator(BaseOperator):
    """An operator whose sessions are launched once, found again by name, and destroyed when it is killed.

    :param name: the stem of the sessions' names.
    :param destroy_on_kill: destroy the sessions when the task is killed or out of time; False leaves them.
    :param canfar_conn_id: the Airflow connection.
    :param deferrable: wait in the triggerer, without a worker slot; False to wait in the worker.
    :param poll_interval: seconds between two looks at the platform.
    :param startup_timeout: how long a session may be Pending.
    """

    def __init__(
        self,
        *,
        name: str | None,
        destroy_on_kill: bool,
        canfar_conn_id: str,
        deferrable: bool,
        poll_interval: float,
        startup_timeout: timedelta | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.name = name
        self.destroy_on_kill = destroy_on_kill
        self.canfar_conn_id = canfar_conn_id
        self.deferrable = deferrable
        self.poll_interval = poll_interval
        self.startup_timeout = startup_timeout

        self._runner: TaskRunner | None = None
        self._is_killed = False

    @abstractmethod
    def _first_batch(self, context: Context) -> Batch:
        """Say who this task instance is, with what it remembers of earlier tries."""

    @abstractmethod
    def _make_runner(self, context: Context, batch: Batch, deadline: float | None) -> TaskRunner:
        """Make what runs one phase of the task."""

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after a wait, or take the sessions down where Airflow ends the task by itself.

        It does so when the trigger has failed, and when no triggerer was alive until long after the deadline.
        """
        if next_method == TRIGGER_FAILED and self.destroy_on_kill:
            self._make_runner(context, self._first_batch(context), None).destroy_all()
        return super().resume_execution(next_method, next_kwargs, context)

    def on_kill(self) -> None:
        """Destroy the sessions of this task: its worker was told to stop."""
        # Airflow goes on with execute afterwards, be it where there is no loop yet.
        self._is_killed = True
        if self._runner is not None:
            self._runner.stop()
            if self.destroy_on_kill:
                self._runner.destroy_all(timeout=KILL_WITHIN)

    def _begin(self, runner: L) -> L:
        """Let an on_kill reach the loop; one that came before there was a loop reaches it here."""
        self._runner = runner
        if self._is_killed:
            runner.stop()
        return runner

    def _deadline(self) -> float | None:
        """Say when the try must be over: Airflow heeds no execution_timeout while a task is deferred."""
        return time.time() + self.execution_timeout.total_seconds() if self.execution_timeout else None

    def _defer_timeout(self, deadline: float | None) -> timedelta | None:
        """Say how long Airflow shall wait for the trigger, which keeps the deadline itself."""
        return None if deadline is None else timedelta(seconds=max(0.0, deadline - time.time()) + BACKSTOP)

    def _identity(self, context: Context, memory: SavedState | None) -> Identity:
        """Say who this task instance is, in the names of its sessions."""
        from airflow_provider_canfar.skaha.naming import Identity, epoch_of, key_of, stem_of

        ti = context["ti"]
        key = (
            memory.key
            if memory
            else key_of(
                dag_id=ti.dag_id,
                task_id=ti.task_id,
                run_id=ti.run_id,
                map_index=-1 if ti.map_index is None else ti.map_index,
                run_started=context["dag_run"].start_date,
            )
        )
        epoch = epoch_of(ti.max_tries or 0, self.retries or 0)
        return Identity(stem_of(self.name, self.task_id), key, epoch)

    def _task_instance(self, context: Context) -> TaskInstanceId:
        """Say which task instance this is, in Airflow's words."""
        from airflow_provider_canfar.hooks._task_instance import TaskInstanceId

        ti = context["ti"]
        return TaskInstanceId(ti.dag_id, ti.run_id, ti.task_id, -1 if ti.map_index is None else ti.map_index)

    def _refuse_to_defer_unless_running(self, task: TaskInstanceId) -> None:
        """Fail when the task was killed while it launched.

        The worker learns of a kill at its next heartbeat. Were it to defer before that, Airflow would refuse
        the deferral, and nobody would ever call an on_kill.
        """
        from airflow_provider_canfar.operators._task_runner import Killed

        state = task.state()
        if state not in (None, "running"):
            raise Killed(f"The task was marked {state} while its sessions were launched.")

    def _emit(self, line: str) -> None:
        # As an argument: what a session prints is no format.
        self.log.info("%s", line)
