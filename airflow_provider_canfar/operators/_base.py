"""What operators that launch sessions share: their life from execute to resume, and how they are stopped."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import nullcontext
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_provider_canfar.hooks._short_traceback import ShortTraceback
from airflow_provider_canfar.hooks._task_instance import TaskInstanceId
from airflow_provider_canfar.hooks.canfar import CanfarHook
from airflow_provider_canfar.operators import _airflow_api
from airflow_provider_canfar.operators._argument_parsers import flag, seconds
from airflow_provider_canfar.operators._deferrable import is_deferrable
from airflow_provider_canfar.operators._deferral import backstop_of, carried_in_process, carry, deadline_of
from airflow_provider_canfar.operators._errors import airflow_errors
from airflow_provider_canfar.operators._lineage import LineageMixin
from airflow_provider_canfar.operators._session_arguments import COMMON
from airflow_provider_canfar.operators._tries import TriesMixin
from airflow_provider_canfar.operators._trigger_failure import TRIGGER_FAILED, TRIGGER_TIMED_OUT
from airflow_provider_canfar.operators._work import Work, killed_with, next_work, own_work
from airflow_provider_canfar.skaha.log_line import ErrorLine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context, XComArg

    from airflow_provider_canfar.operators._task_runner import TaskRunner
    from airflow_provider_canfar.operators._worker_loss import WorkerLoss
    from airflow_provider_canfar.skaha.spec import SessionSpec
    from airflow_provider_canfar.task_sessions.batch import Batch, Outcome
    from airflow_provider_canfar.task_sessions.wait_spec import WaitSpec, WakeEvent
    from airflow_provider_canfar.triggers.session import CanfarSessionTrigger

#: Seconds that an ``on_kill`` may take: Airflow sends SIGKILL five seconds after its SIGTERM.
KILL_WITHIN = 4.0


class SessionOperator(LineageMixin, TriesMixin):
    """An operator whose sessions are launched once, found again by name, and destroyed when it is killed.

    A subclass says how many replicas there are, what runs in them (in the runner that it makes), and what the
    task returns.

    Every duration is a timedelta or a number of seconds.

    :param name: the stem of the sessions' names. (templated)
    :param destroy_on_kill: destroy the sessions when somebody ends the task, or it times out; False leaves
        them running. (templated)
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
        self.deferrable = is_deferrable(deferrable)
        super().__init__(**kwargs)
        self.name = name
        self.destroy_on_kill = destroy_on_kill
        self.canfar_conn_id = canfar_conn_id
        self.poll_interval = poll_interval
        self.startup_timeout = startup_timeout

        self._runner: TaskRunner | None = None
        self._loss: WorkerLoss | None = None

    @property
    def _destroys_on_kill(self) -> bool:
        return flag("destroy_on_kill", self.destroy_on_kill)

    def _sessions_outlive_success(self) -> bool:
        """Whether the sessions go on when the task has succeeded."""
        return False

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
        with ShortTraceback(), airflow_errors(self.log):
            work = next_work(self, context)
            if work.is_nested and self.deferrable:
                self._emit(
                    f"Waiting in the worker: task {work.running.task_id!r} executes this operator, and only "
                    "the task itself can resume after a deferral."
                )
            with killed_with(work.running, self) if work.is_nested else nullcontext():
                return self._run_phase(context, work, None, deadline_of(self.execution_timeout))

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

        work, task_instance = own_work(self), TaskInstanceId.of(context["ti"])
        if batch is None:
            carried = carried_in_process(task_instance)
            batch, deadline = carried.pop("batch", None), carried.pop("deadline", None)
        wake = WakeEvent.from_json(event)
        self._emit(f"Resuming: {wake.reason.value}.")
        known = None if batch is None else Batch.from_json(batch)
        return self._run_phase(context, work, known, deadline, wake, **carried)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume after a wait; or destroy the sessions where Airflow ends it, unless a retry adopts them.

        Airflow ends it when the trigger has failed, and when no triggerer was alive until long after the
        deadline.
        """
        with ShortTraceback(), airflow_errors(self.log):
            try:
                return super().resume_execution(next_method, next_kwargs, context)
            except Exception as error:
                if next_method == TRIGGER_FAILED:
                    timed_out = (next_kwargs or {}).get("error") == TRIGGER_TIMED_OUT
                    self._abandon(context, own_work(self), error, is_verdict=timed_out)
                raise

    def on_kill(self) -> None:
        """Destroy the sessions of this task, whose worker is stopped, or leave them to the retry."""
        # Airflow goes on with execute afterwards, even where there is no runner yet.
        self._is_killed = True
        if self._runner is not None:
            is_lost = self._loss is not None and self._loss.leaves_to_retry()
            self._runner.stop(leave_to_retry=is_lost)
            if self._destroys_on_kill and not is_lost:
                self._runner.destroy_all(timeout=KILL_WITHIN)

    def _run_phase(
        self,
        context: Context,
        work: Work,
        known: Batch | None,
        deadline: float | None,
        wake: WakeEvent | None = None,
        **carried: Any,
    ) -> Any:
        """Reconcile, then wait: here, or in the triggerer, which comes back through resume.

        :param known: the replicas as the phase before has left them; None for the first phase of a try.
        """
        from airflow_provider_canfar.operators._phase_errors import require_running, retry_follows
        from airflow_provider_canfar.operators._worker_loss import WorkerLoss, watched_supervisor

        record, task_instance = self._record(context, work), TaskInstanceId.of(context["ti"])
        try:
            if known is None:
                batch = self._first_batch(context, work, record)
            else:
                batch = record.journal.resume(known)
            # Before a wait there was such a connection.
            is_silent = _airflow_api.is_silence if wake is None else _airflow_api.hides_silence
            hook = _airflow_api.wait_out_silence(self._hook, emit=self._emit, is_silent=is_silent)
            known_spec = record.read_spec(hook) if wake is not None else None
            spec = known_spec or self._spec(context, batch)
            runner = self._new_runner(hook, spec, batch, deadline, **carried)
        except BaseException as error:  # Whatever it was, a time-out too, it is raised again.
            if wake is not None or (context["ti"].try_number or 0) > 1:
                self._abandon(context, work, error)
            raise
        self._runner = self._last_runner = runner
        if self._is_killed:
            runner.stop()  # The on_kill came before there was a runner.
        self._loss = WorkerLoss(context)

        def publish(*, whole: bool) -> None:
            record.publish(runner.xcoms(whole=whole), runner.batch)

        def defer(wait_spec: WaitSpec) -> NoReturn:
            require_running(_airflow_api.wait_out_silence(task_instance.state, emit=self._emit))
            # Every replica of a try runs the same, though later phases render the templates again.
            if known_spec is None and runner.batch.has_unlaunched():
                record.write_spec(hook, spec)
            self.defer(
                trigger=self._trigger(wait_spec, task_instance),
                method_name="resume",
                kwargs=carry(task_instance, runner, deadline),
                timeout=backstop_of(deadline),
            )

        to_defer = defer if self.deferrable and work.name is None else None
        with watched_supervisor(lambda: runner.stop(leave_to_retry=retry_follows(context))):
            outcomes = runner.run(
                wake,
                publish=publish,
                defer=to_defer,
                retry_follows=partial(retry_follows, context),
                push=record.push,
                complete=record.complete,
                fold=record.journal.fold,
            )
        # The task has succeeded: a late on_kill destroys no session that outlives it.
        self._runner = None
        return self._result(runner, outcomes)

    def _abandon(
        self, context: Context, work: Work, error: BaseException, *, is_verdict: bool = False
    ) -> None:
        """Leave the sessions of a phase that never ran to the retry that follows, or destroy them.

        :param is_verdict: whether the task ends by this error, retry or not.
        """
        from airflow_provider_canfar.operators._phase_errors import leaves_to_retry, retry_follows

        if not is_verdict and leaves_to_retry(error) and retry_follows(context, error):
            number = (context["ti"].try_number or 0) + 1
            self._emit(f"Sessions left running: try {number} will adopt them ({type(error).__name__}).")
        elif self._destroys_on_kill:
            try:
                batch, is_silent = self._last_batch(context, work), _airflow_api.hides_silence
                hook = _airflow_api.wait_out_silence(self._hook, emit=self._emit, is_silent=is_silent)
                self._new_runner(hook, self._spec(context, batch), batch, None).destroy_all()
            except Exception as reason:  # noqa: BLE001 - the error of the phase is the one to raise
                self._emit(ErrorLine(f"Could not destroy the sessions of this task: {reason}"))

    def _trigger(self, wait_spec: WaitSpec, task_instance: TaskInstanceId) -> CanfarSessionTrigger:
        from airflow_provider_canfar.triggers.session import CanfarSessionTrigger

        return CanfarSessionTrigger(
            canfar_conn_id=self.canfar_conn_id,
            wait_spec=wait_spec.to_json(),
            poll_interval=seconds("poll_interval", self.poll_interval),
            task_instance=task_instance.to_json(),
            destroy_on_kill=self._destroys_on_kill,
            destroy_on_success=not self._sessions_outlive_success(),
        )

    def _hook(self) -> CanfarHook:
        """Return the hook, with its connection read: in on_kill, Airflow may no longer answer."""
        hook = CanfarHook(self.canfar_conn_id)
        hook.settings  # noqa: B018 - reading it is what it is for
        return hook
