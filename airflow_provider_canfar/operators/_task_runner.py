"""One phase of a task in a worker: reconcile, wait, and again until there is a verdict or a deferral."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from airflow_provider_canfar.hooks._airflow_compat import AirflowTaskTimeout, TaskDeferred
from airflow_provider_canfar.hooks._explained import explained
from airflow_provider_canfar.operators._phase_errors import CredentialRefused, Killed
from airflow_provider_canfar.operators._teardown import Teardown
from airflow_provider_canfar.operators._worker_wait import WorkerWait
from airflow_provider_canfar.skaha.errors import AuthenticationError, RequestError, SessionTimeout
from airflow_provider_canfar.skaha.log_line import WarningLine
from airflow_provider_canfar.skaha.metrics import Metric
from airflow_provider_canfar.task_sessions import failure_report
from airflow_provider_canfar.task_sessions.concurrency import AdaptiveConcurrency
from airflow_provider_canfar.task_sessions.ended_session import LogReader, OutcomeRecorder
from airflow_provider_canfar.task_sessions.launcher import LAUNCH_FOR
from airflow_provider_canfar.task_sessions.lineage import lineage_of
from airflow_provider_canfar.task_sessions.next_wait import is_outage, wait_spec_for
from airflow_provider_canfar.task_sessions.outcome_table import table
from airflow_provider_canfar.task_sessions.plan import Plan, Verdict
from airflow_provider_canfar.task_sessions.progress import progress_of, progress_xcom
from airflow_provider_canfar.task_sessions.reconcile import Reconciler
from airflow_provider_canfar.task_sessions.session_xcoms import SessionXComs
from airflow_provider_canfar.task_sessions.usage_report import Resources, advice
from airflow_provider_canfar.task_sessions.wait_spec import WaitSpec, WakeEvent, WakeReason

if TYPE_CHECKING:
    from airflow_provider_canfar.hooks.canfar import CanfarHook
    from airflow_provider_canfar.operators._task_record import Publish
    from airflow_provider_canfar.skaha.client import SkahaClient
    from airflow_provider_canfar.skaha.models import SessionSpec
    from airflow_provider_canfar.task_sessions.batch import Batch, Outcome
    from airflow_provider_canfar.task_sessions.limits import Limits
    from airflow_provider_canfar.task_sessions.run_options import RunOptions

Defer = Callable[["WaitSpec"], None]

#: Seconds for which a phase repeats its first request while the platform does not respond. Then it waits in
#: the triggerer; or, where the connection may be wrong, the task fails and says so.
FIRST_ANSWER_WITHIN = 30.0


def _never(_: BaseException) -> bool:
    return False


def _as_it_is(batch: Batch) -> Batch:
    return batch


class TaskRunner:
    """One phase of a task in a worker.

    :param hook: the platform, with its connection already read.
    :param spec: what each replica runs.
    :param batch: what is known at the start; :attr:`batch` is what is known now.
    :param limits: how many may run, and how many may fail.
    :param deadline: seconds since the epoch; None: no deadline.
    :param options: how to go about it.
    :param emit: writes one line to the task's log.
    :param reader: reads the log of each ended session before it is shown.
    :param concurrency: how many creates the phase before would have begun at once; None for the most.
    """

    def __init__(
        self,
        *,
        hook: CanfarHook,
        spec: SessionSpec,
        batch: Batch,
        limits: Limits,
        deadline: float | None,
        options: RunOptions,
        emit: Callable[[str], None],
        reader: LogReader,
        concurrency: int | None = None,
    ) -> None:
        self._hook = hook
        self._spec = spec
        self._limits = limits
        self._deadline = deadline
        self._options = options
        self._emit = emit
        self._recorder = OutcomeRecorder(reader, emit, options.max_log_bytes, Resources(spec.cores, spec.ram))
        self._reconciler = Reconciler(spec, batch, limits, recorder=self._recorder, emit=emit)
        self._reconciler.launcher.concurrency = AdaptiveConcurrency(options.launch_concurrency, concurrency)
        self._teardown = Teardown(hook, self._reconciler, emit)
        self._session_xcoms = SessionXComs(batch)
        self._wait = WorkerWait(hook, options.poll_interval, emit)
        self._stopped = self._leaves_to_retry = False
        self._push: Callable[[dict[str, Any]], None] = lambda xcoms: None
        self._complete: Callable[[Batch], Batch] = _as_it_is
        self._fold: Callable[[Batch], Batch] = _as_it_is
        self._first_end: float | None = None

    @property
    def batch(self) -> Batch:
        """What is known of the replicas now."""
        return self._reconciler.batch

    def xcoms(self, *, whole: bool) -> dict[str, Any]:
        """Return the XComs to push now, by key; if ``whole``, with those that have hardly changed."""
        return self._session_xcoms.to_push(self.batch, self._complete, whole=whole) | {
            "progress": progress_xcom(self.batch, time.time()),
            "service_url": self._hook.settings.url,  # The tab Sessions and the button link to them there.
        }

    def lineage(self) -> dict[str, Any]:
        """Return what ran in the sessions, and how they ended; JSON without a secret."""
        return lineage_of(self._spec, self.batch)

    def carried(self) -> dict[str, Any]:
        """Return what the next phase needs to know besides the batch; JSON."""
        return self._reconciler.launcher.concurrency.carried()

    def run(
        self,
        wake: WakeEvent | None,
        *,
        publish: Publish,
        defer: Defer | None,
        retry_follows: Callable[[BaseException], bool] = _never,
        push: Callable[[dict[str, Any]], None] = lambda xcoms: None,
        complete: Callable[[Batch], Batch] = _as_it_is,
        fold: Callable[[Batch], Batch] = _as_it_is,
    ) -> list[Outcome]:
        """Reconcile and wait until there is a verdict, or until ``defer`` ends the phase.

        :param wake: what the wait before this phase has seen.
        :param publish: writes down what is known of the sessions, before any wait.
        :param defer: hands the wait to the triggerer and does not return; None to wait here.
        :param retry_follows: whether Airflow runs the task again if an error fails this try.
        :param push: pushes XComs, by key, during a wait here; it may block, and fail.
        :param complete: returns all that is known of the try, where the batch has less.
        :param fold: returns as much of a published batch as the round after a wait here has to know.
        :return: how each replica ended, in order.
        :raises CanfarError: when the task fails. None of its sessions is then alive, except after
            :class:`CredentialRefused`, when nothing can be destroyed, and after what is not the sessions'
            failure, where a retry adopts them.
        """
        self._push, self._complete, self._fold = push, complete, fold
        self._reconciler.launcher.launch_for = None if defer is None else LAUNCH_FOR
        try:
            return self._rounds(wake, publish, defer)
        except CredentialRefused:
            raise
        except Killed:
            if self._leaves_to_retry:
                # With the creates that were under way; said already if any session was known.
                self._teardown.leave_to_retry("the worker was stopped")
            elif self._options.destroy_on_kill:
                self.destroy_all()
            # Only now, as Airflow may answer no more, and its SIGKILL follows in seconds.
            with suppress(Exception):
                publish(whole=True)
            raise
        except (SessionTimeout, AirflowTaskTimeout) as error:
            self._teardown.out_of_time(self._recorder, self._options)
            # The time-out is what fails the task, whatever Airflow takes in of it.
            with suppress(Exception):
                self._complete_batch()
                publish(whole=True)
            others = "destroyed" if self._options.destroy_on_kill else "left running"
            self._emit(table(self.batch, others))
            # By what is known now: replicas may have ended since, or failed before.
            over = self._timed_out()
            raise over if isinstance(error, SessionTimeout) else explained(type(error)(str(over))) from None
        except TaskDeferred:
            raise
        except BaseException as error:  # Whatever it was, Ctrl-C too, it is raised again.
            # No session outlives its failed task unless a retry adopts it. A platform that has not answered
            # even once has launched nothing for this phase, and would not answer this either.
            if self._reconciler.has_listed or self.batch.since is not None:
                self._teardown.stop_creating()
                was_killed = self._stopped and not self._leaves_to_retry
                follows = _never if was_killed else retry_follows
                self._teardown.after(error, self._options, retry_follows=follows)
            raise

    def _rounds(self, wake: WakeEvent | None, publish: Publish, defer: Defer | None) -> list[Outcome]:
        while True:
            if wake is not None:
                self._handle_wake(wake)
            next_step = self._reconcile()
            if isinstance(next_step, Verdict) and self.batch.folded.states:
                # By all that is known: what the journal has lost is to be launched again.
                self._complete_batch()
                next_step = self._reconcile()
            if self._stopped:
                raise Killed("Airflow stopped the worker.")
            if isinstance(next_step, Verdict):
                publish(whole=True)
                return self._finish(next_step)
            if (line := progress_of(self.batch)) is not None:
                self._emit(line)
            publish(whole=wake is None)
            if defer is not None:
                defer(next_step)
            self._reconciler.batch = self._fold(self.batch)
            wake = self._wait.run(next_step, self._push)

    def _complete_batch(self) -> None:
        self._reconciler.batch = self._complete(self.batch)

    def stop(self, *, leave_to_retry: bool = False) -> None:
        """Launch nothing more, and wait no longer.

        :param leave_to_retry: let the sessions run on, for the next try to adopt.
        """
        self._leaves_to_retry = leave_to_retry
        if leave_to_retry:  # At once: a call to a silent Airflow may last until the worker is killed.
            self._teardown.leave_to_retry("the worker was stopped")
        self._stopped = True
        self._reconciler.stop()
        self._wait.end()

    def destroy_all(self, *, timeout: float | None = None) -> None:
        """Destroy every live session of this task, as far as the platform allows; never raises an Exception.

        What could not be destroyed is destroyed by the next execute of the task.

        :param timeout: seconds that it may take.
        """
        self._teardown.destroy_all(timeout=timeout)

    def _handle_wake(self, wake: WakeEvent) -> None:
        """Take in what a wait has seen.

        :raises CredentialRefused: when the platform refuses the credential.
        :raises SessionTimeout: when the deadline has passed.
        """
        self._reconciler.batch = self.batch.with_observations(wake.ended, wake.gone, wake.started)
        if wake.reason is WakeReason.REFUSED:
            raise CredentialRefused.during(wake.message, self.batch)
        self._reconciler.start_failures = wake.start_failures
        self._recorder.usage = wake.usage
        self._first_end = wake.first_end
        if wake.reason is WakeReason.DEADLINE:
            raise self._timed_out()

    def _timed_out(self) -> SessionTimeout:
        return failure_report.timed_out(self.batch, self._recorder.tails, self._options)

    def _reconcile(self) -> Verdict | WaitSpec:
        """Do all that can be done now, and return the verdict or what to wait for."""
        plan = self._hook.call(self._plan_left, retry_for=FIRST_ANSWER_WITHIN)
        if plan is not None and plan.verdict is not None:
            return plan.verdict
        return self._wait_spec(plan)

    def _wait_spec(self, plan: Plan | None) -> WaitSpec:
        return wait_spec_for(
            self.batch,
            plan,
            self._limits,
            self._options,
            retry_at=self._reconciler.launcher.retry_at,
            deadline=self._deadline,
            now=time.time(),
        )

    async def _plan_left(self, client: SkahaClient) -> Plan | None:
        """Reconcile, and return the plan that is left; None where the platform does not respond."""
        reconciler = self._reconciler
        try:
            plan = await reconciler.reconcile(client)
        except AuthenticationError as error:
            # As where the trigger is refused: no session, not even an earlier try's, is lost with it.
            if self.batch.unsettled() or self.batch.try_number > 1:
                raise CredentialRefused.during(str(error), self.batch, **error.facts) from error
            raise
        except RequestError as error:
            if reconciler.launcher.refused or not is_outage(error, self.batch):
                raise
            self._emit(WarningLine(f"The platform is not responding; still waiting. {error}"))
            return None
        if self._first_end is not None:
            client.metrics.send(Metric.RECORD_DELAY, max(0.0, time.time() - self._first_end))
            self._first_end = None
        return plan

    def _finish(self, verdict: Verdict) -> list[Outcome]:
        """Report, and return how each replica ended or raise why the task failed."""
        for line in (table(self.batch), *advice(self.batch.outcomes.values())):
            self._emit(line)
        try:
            if verdict is Verdict.SUCCESS:
                if self.batch.failed():
                    self._emit(failure_report.allowed_failures(self.batch, self._limits.max_failed))
                return [outcome for _, outcome in sorted(self.batch.outcomes.items())]
            self._hook.call(lambda client: self._recorder.read_missing_tails(client, self.batch.failed()))
            raise self._recorder.failure(self.batch, self._limits.max_failed, resumes=self._options.resumes)
        finally:
            ended = [one.session_id for one in self.batch.outcomes.values() if self._options.destroys(one)]
            self._teardown.destroy_ended(ended)
