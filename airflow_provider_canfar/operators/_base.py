"""What operators that launch sessions share: their life from execute to resume, and how they are stopped."""

from __future__ import annotations

import time
from abc import abstractmethod
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_provider_canfar.hooks._log import LogLinesMixin
from airflow_provider_canfar.hooks._task_instance import TaskInstanceId
from airflow_provider_canfar.hooks.canfar import CanfarHook
from airflow_provider_canfar.operators import _airflow_api
from airflow_provider_canfar.operators._argument_checks import CheckedArguments
from airflow_provider_canfar.operators._argument_parsers import flag, seconds
from airflow_provider_canfar.operators._deferrable import is_deferrable
from airflow_provider_canfar.operators._deferral import airflow_timeout, carried_here, carry
from airflow_provider_canfar.operators._errors import airflow_errors
from airflow_provider_canfar.operators._lineage import LineageMixin
from airflow_provider_canfar.operators._session_arguments import COMMON
from airflow_provider_canfar.operators._trigger_failure import TRIGGER_FAILED, TRIGGER_TIMED_OUT
from airflow_provider_canfar.operators._work import Work, identity_of, killed_with, next_work, own_work

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context, XComArg

    from airflow_provider_canfar.operators._task_record import TaskRecord
    from airflow_provider_canfar.operators._task_runner import TaskRunner
    from airflow_provider_canfar.skaha.naming import Identity
    from airflow_provider_canfar.skaha.spec import SessionSpec
    from airflow_provider_canfar.task_sessions.batch import Batch, Outcome
    from airflow_provider_canfar.task_sessions.saved_state import SavedState
    from airflow_provider_canfar.task_sessions.wait_spec import WaitSpec, WakeEvent

#: Seconds that an ``on_kill`` may take: Airflow sends SIGKILL five seconds after its SIGTERM.
KILL_WITHIN = 4.0


class SessionOperator(LogLinesMixin, LineageMixin, CheckedArguments):
    """An operator whose sessions are launched once, found again by name, and destroyed when it is killed.

    A subclass says how many replicas there are, what runs in them (in the runner that it makes), and what the
    task returns.

    Every duration is a timedelta or a number of seconds.

    :param name: the stem of the sessions' names. (templated)
    :param destroy_on_kill: destroy the sessions when the task is killed or times out; False leaves them.
        (templated)
    :param canfar_conn_id: the Airflow connection. (templated)
    :param deferrable: wait in the triggerer; False to wait in the worker; None as Airflow is set, or True.
    :param poll_interval: the time between two polls of the platform. (templated)
    :param startup_timeout: how long a session may be Pending. (templated)
    :raises SpecError: for a literal that an argument does not take.
    :raises TypeError: for an argument that the operator does not have.
    """

    _arguments = COMMON

    def __init__(
        self,
        *,
        name: str | None,
        destroy_on_kill: bool | str | XComArg,
        canfar_conn_id: str,
        deferrable: bool | None,
        poll_interval: timedelta | float | str | XComArg,
        startup_timeout: timedelta | float | str | XComArg | None,
        **kwargs: Any,
    ) -> None:
        self._check_known(kwargs)
        super().__init__(**kwargs)
        self.name = name
        self.destroy_on_kill = destroy_on_kill
        self.canfar_conn_id = canfar_conn_id
        self.deferrable = is_deferrable(deferrable)
        self.poll_interval = poll_interval
        self.startup_timeout = startup_timeout

        self._runner: TaskRunner | None = None
        self._is_killed = False
        #: Whether Airflow's API server answered when the phase began, of a try that a retry follows.
        self._answers_probes = False

    @property
    def _destroys_on_kill(self) -> bool:
        return flag("destroy_on_kill", self.destroy_on_kill)

    def _sessions_outlive_success(self) -> bool:
        """Whether the sessions go on when the task has succeeded."""
        return False

    @abstractmethod
    def _new_batch(self, identity: Identity, try_number: int) -> Batch:
        """Return the replicas of a try of which nothing is known yet."""

    def _with_saved_state(self, batch: Batch, saved: SavedState) -> Batch:
        """Return a new try's batch with what earlier tries have saved."""
        return batch

    @abstractmethod
    def _spec(self, context: Context, batch: Batch) -> SessionSpec:
        """Say what each replica runs: once in a try, as another rendering may differ."""

    @abstractmethod
    def _new_runner(
        self, hook: CanfarHook, spec: SessionSpec, batch: Batch, deadline: float | None, **carried: Any
    ) -> TaskRunner:
        """Return what runs one phase of the task.

        :param carried: what the phase before has carried over the deferral.
        """

    @abstractmethod
    def _result(self, runner: TaskRunner, outcomes: Sequence[Outcome]) -> Any:
        """Return what the task returns.

        :param outcomes: how each replica ended, in order.
        """

    def execute(self, context: Context) -> Any:
        """Launch the sessions, and wait for them without a worker slot.

        :raises AirflowFailException: when a retry cannot help; its ``__context__`` has the details.
        :raises SessionError: when the sessions fail.
        """
        with airflow_errors(self.log):
            work = next_work(self, context)
            if not work.is_nested:
                return self._execute(context, work)
            if self.deferrable:
                self._emit(
                    f"Waiting in the worker: task {work.running.task_id!r} executes this operator, and only "
                    "the task itself can resume after a deferral."
                )
            with killed_with(work.running, self):
                return self._execute(context, work)

    def _execute(self, context: Context, work: Work) -> Any:
        record = self._record(context, work)
        return self._run_phase(context, record, self._first_batch(context, work, record), self._deadline())

    def resume(
        self,
        context: Context,
        event: dict[str, Any],
        batch: dict[str, Any] | None = None,
        deadline: float | None = None,
        **carried: Any,
    ) -> Any:
        """Resume after a wait in the triggerer, with what was known before and what the wait has seen.

        ``dag.test()`` forgets what the deferral carried; the process that deferred, which resumes, still
        has it. Without either, the names of the sessions give the rest.
        """
        from airflow_provider_canfar.task_sessions.batch import Batch
        from airflow_provider_canfar.task_sessions.wait_spec import WakeEvent

        work = own_work(self)
        if batch is None:
            carried = carried_here(TaskInstanceId.of(context["ti"]))
            batch, deadline = carried.pop("batch", None), carried.pop("deadline", None)
        with airflow_errors(self.log):
            record = self._record(context, work)
            if batch is None:
                known = self._first_batch(context, work, record)
            else:
                known = record.journal.resume(Batch.from_json(batch))
            wake = WakeEvent.from_json(event)
            return self._run_phase(context, record, known, deadline, wake, **carried)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume after a wait, or destroy the sessions where Airflow ends the task by itself.

        It does so when the trigger has failed, unless a retry adopts them, and when no triggerer was alive
        until long after the deadline.
        """
        from airflow_provider_canfar.operators._phase_errors import retry_follows

        timed_out = (next_kwargs or {}).get("error") == TRIGGER_TIMED_OUT
        if next_method == TRIGGER_FAILED and not timed_out and retry_follows(context["ti"]):
            self._emit("The trigger has failed. The sessions are left running: the next try will adopt them.")
        elif next_method == TRIGGER_FAILED and self._destroys_on_kill:
            work = own_work(self)
            batch = self._first_batch(context, work, self._record(context, work))
            self._new_runner(self._hook(), self._spec(context, batch), batch, None).destroy_all()
        return super().resume_execution(next_method, next_kwargs, context)

    def on_kill(self) -> None:
        """Destroy the sessions of this task: Airflow stops its worker."""
        # Airflow goes on with execute afterwards, even where there is no runner yet.
        self._is_killed = True
        if self._runner is not None:
            # A supervisor whose heartbeats Airflow does not answer stops the worker as it does for a person.
            is_lost = self._answers_probes and not _airflow_api.api_server_answers()
            self._runner.stop(leave_to_retry=is_lost)
            if self._destroys_on_kill and not is_lost:
                self._runner.destroy_all(timeout=KILL_WITHIN)

    def _run_phase(
        self,
        context: Context,
        record: TaskRecord,
        batch: Batch,
        deadline: float | None,
        wake: WakeEvent | None = None,
        **carried: Any,
    ) -> Any:
        """Reconcile, then wait: here, or in the triggerer, which comes back through resume."""
        from airflow_provider_canfar.operators._phase_errors import require_running, retry_follows

        task_instance = TaskInstanceId.of(context["ti"])
        # Before a wait there was such a connection.
        is_silent = _airflow_api.is_silence if wake is None else _airflow_api.hides_silence
        hook = _airflow_api.wait_out_silence(self._hook, emit=self._emit, is_silent=is_silent)
        known_spec = record.read_spec(hook, carried.pop("spec", None)) if wake is not None else None
        spec = known_spec or self._spec(context, batch)
        runner = self._runner = self._last_runner = self._new_runner(hook, spec, batch, deadline, **carried)
        if self._is_killed:
            runner.stop()  # The on_kill came before there was a runner.

        follows = retry_follows(context["ti"])
        self._answers_probes = follows and _airflow_api.api_server_answers()

        def publish(*, whole: bool) -> None:
            write = partial(record.publish, runner.batch, runner.xcoms(whole=whole))
            _airflow_api.wait_out_silence(write, emit=self._emit, is_stopped=lambda: self._is_killed)

        def defer(wait_spec: WaitSpec) -> NoReturn:
            require_running(_airflow_api.wait_out_silence(task_instance.state, emit=self._emit))
            # Every replica of a try runs the same, though later phases render the templates again.
            if known_spec is None and runner.batch.has_unlaunched():
                _airflow_api.wait_out_silence(partial(record.write_spec, hook, spec), emit=self._emit)
            self._defer(wait_spec, runner, deadline, task_instance)

        may_defer = defer if self.deferrable and record.can_resume else None
        outcomes = runner.run(wake, publish=publish, defer=may_defer, retry_follows=follows)
        # The task has succeeded: a late on_kill destroys no session that outlives it.
        self._runner = None
        return self._result(runner, outcomes)

    def _defer(
        self, wait_spec: WaitSpec, runner: TaskRunner, deadline: float | None, task_instance: TaskInstanceId
    ) -> NoReturn:
        from airflow_provider_canfar.triggers.session import CanfarSessionTrigger

        carried = {"batch": runner.batch.to_json(), "deadline": deadline, **runner.carried()}
        self.defer(
            trigger=CanfarSessionTrigger(
                canfar_conn_id=self.canfar_conn_id,
                wait_spec=wait_spec.to_json(),
                poll_interval=seconds("poll_interval", self.poll_interval),
                task_instance=task_instance.to_json(),
                destroy_on_kill=self._destroys_on_kill,
                destroy_on_success=not self._sessions_outlive_success(),
            ),
            method_name="resume",
            kwargs=carry(task_instance, carried),
            timeout=airflow_timeout(deadline),
        )

    def _record(self, context: Context, work: Work) -> TaskRecord:
        """Return what the task has in Airflow's database."""
        from airflow_provider_canfar.operators._task_record import TaskRecord

        read = partial(TaskRecord, context, work, emit=self._emit)
        return _airflow_api.wait_out_silence(read, emit=self._emit)

    def _hook(self) -> CanfarHook:
        """Return the hook, with its connection read: in on_kill Airflow no longer answers."""
        hook = CanfarHook(self.canfar_conn_id)
        hook.settings  # noqa: B018 - reading it is what it is for
        return hook

    def _first_batch(self, context: Context, work: Work, record: TaskRecord) -> Batch:
        """Return the replicas of this try, with what earlier tries have saved."""
        saved = record.journal.saved
        # The scheduler counts tries from 1; `airflow tasks test` leaves the number at 0.
        batch = self._new_batch(
            identity_of(self, self._parsed()["name"], context, work, saved), context["ti"].try_number or 0
        )
        if saved is not None:
            batch = self._with_saved_state(batch, saved)
        # Before anything is launched: whatever becomes of this try, the next one finds what it has launched.
        record.journal.begin(batch)
        return batch

    def _deadline(self) -> float | None:
        """Return when the try must be over: Airflow ignores execution_timeout while a task is deferred."""
        return time.time() + self.execution_timeout.total_seconds() if self.execution_timeout else None
