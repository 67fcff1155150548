"""The loop of a task: observe, plan, act, wait; again until there is a verdict.

It holds what one phase of a task in a worker needs. A deferral ends the phase; the next one makes a new loop
out of the batch that the deferral carried.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowTaskTimeout

from airflow_provider_canfar.operators._options import is_waited_out
from airflow_provider_canfar.skaha.errors import (
    AuthenticationError,
    CanfarError,
    PartialFailure,
    RequestError,
    SessionNeverStarted,
    SessionTimeout,
)
from airflow_provider_canfar.task_sessions import report
from airflow_provider_canfar.task_sessions.batch import Batch, Limits, Outcome, Plan, Verdict
from airflow_provider_canfar.task_sessions.reconcile import (
    BUSY_FOR,
    LOST_CREATE_WAIT,
    EndedSession,
    Reconciler,
)
from airflow_provider_canfar.task_sessions.wait import TaskWait, WaitSpec, WakeEvent, WakeReason, keep_watch

if TYPE_CHECKING:
    from airflow_provider_canfar.hooks.canfar import CanfarHook
    from airflow_provider_canfar.operators._options import RunOptions
    from airflow_provider_canfar.skaha.client import SkahaClient
    from airflow_provider_canfar.skaha.errors import SessionFailed, SessionGone
    from airflow_provider_canfar.skaha.models import SessionSpec
    from airflow_provider_canfar.skaha.polling.subscriptions import Subscribe

#: Seconds for which the first question to the platform is repeated while it does not answer. Then the wait is
#: for the triggerer; or, where it may be a mistake in the connection, the task says so and fails.
FIRST_ANSWER_WITHIN = 30.0

#: Where few may be alive at once, the worker is woken when a tenth of the places are free.
SLOTS_PER_WAKE = 10

#: Seconds for which a destroy of all is tried again; a person waits for the task to end.
DESTROY_RETRIES_FOR = 15.0

#: Seconds for which a kill waits for creates that are under way, out of the few that Airflow grants.
DRAIN_WITHIN = 1.5


class CredentialRefused(CanfarError):
    """The platform refused the credential while sessions were waited for. They still run."""

    retryable = True


class Killed(Exception):
    """Somebody has killed the task while its worker was at work."""


class TaskRunner:
    """One phase of a task in a worker.

    :param hook: the platform, with its connection already read.
    :param spec: what each replica runs.
    :param batch: what is known at the start; :attr:`batch` is what is known now.
    :param limits: how many may run, and how many may fail.
    :param deadline: seconds since the epoch; None: no deadline.
    :param options: how it goes about it.
    :param emit: takes one line for the task's log.
    :param read: reads what an ended session left, before it is shown and recorded.
    :param is_complete: tells whether the log that it left has all that is due in it.
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
        read: Callable[[EndedSession], EndedSession],
        is_complete: Callable[[EndedSession], bool] = lambda harvest: True,
    ) -> None:
        self.batch = batch
        self._hook = hook
        self._spec = spec
        self._limits = limits
        self._deadline = deadline
        self._options = options
        self._emit = emit
        self._read = read
        self._is_whole = is_complete
        self._reconciler: Reconciler | None = None
        self._wait: asyncio.Task[Any] | None = None
        self._tails: dict[str, str] = {}
        self._stopped = False

    def run(
        self,
        wake: WakeEvent | None,
        *,
        publish: Callable[[], None],
        defer: Callable[[WaitSpec], None] | None,
    ) -> list[Outcome]:
        """Go round until there is a verdict, or until ``defer`` ends the phase.

        :param wake: what the wait before this phase has seen.
        :param publish: called when the sessions are known, before any wait.
        :param defer: hands the wait to the triggerer and does not return; None to wait here.
        :return: how each replica ended, in order.
        :raises CanfarError: when the task fails. Nothing of it is then alive, save after
            :class:`CredentialRefused`, when nothing can be destroyed.
        """
        try:
            return self._rounds(wake, publish, defer)
        except CredentialRefused:
            raise
        except Killed:
            if self._options.destroy_on_kill:
                self.destroy_all()
            # Only now: Airflow answers no worker between its SIGTERM and its SIGKILL.
            with suppress(Exception):
                publish()
            raise
        except (SessionTimeout, SessionNeverStarted, AirflowTaskTimeout) as error:
            self._stop_creating()
            kills = self._options.destroy_on_kill or isinstance(error, SessionNeverStarted)
            if kills:
                self.destroy_all()
            self._record_ends()
            publish()
            self._emit(report.table(self.batch, others="destroyed" if kills else "left alone"))
            raise
        except Exception:  # Whatever it was, it is raised again.
            # No session outlives its failed task. A platform that has not answered even once
            # has launched nothing for this phase, and would not answer this either.
            has_listed = self._reconciler is not None and self._reconciler.has_listed
            if has_listed or self.batch.launched:
                self.destroy_all()
            raise

    def _rounds(
        self, wake: WakeEvent | None, publish: Callable[[], None], defer: Callable[[WaitSpec], None] | None
    ) -> list[Outcome]:
        while True:
            if wake is not None:
                self._handle_wake(wake)
            wait_spec = self._advance()
            if self._stopped:
                raise Killed("The worker was told to stop.")
            publish()
            if isinstance(wait_spec, Verdict):
                return self._end(wait_spec)
            if defer is not None:
                defer(wait_spec)
            try:
                wake = self._hook.run(partial(self._wait_for, wait_spec))
            except CancelledError:
                raise Killed("The worker was told to stop.") from None

    def _stop_creating(self) -> None:
        """Wait for creates in the middle of which a time-out of Airflow's own has come: it undoes none."""
        if self._reconciler is not None and self._reconciler.is_launching:
            self._reconciler.stopped = True
            self._hook.run(partial(self._reconciler.wait_for_creates, within=LOST_CREATE_WAIT))
            self.batch = self._reconciler.batch

    def stop(self) -> None:
        """Launch nothing more, and wait no longer."""
        self._stopped = True
        if self._reconciler is not None:
            self._reconciler.stopped = True
        if self._wait is not None:
            self._wait.get_loop().call_soon_threadsafe(self._wait.cancel)

    def destroy_all(self, *, timeout: float | None = None) -> None:
        """Destroy every live session of this task, as far as the platform lets us; never raises an Exception.

        What could not be destroyed is destroyed by the next execute of the task.
        """

        async def destroy_all(client: SkahaClient) -> list[str]:
            reconciler = self._reconciler
            if reconciler is not None and reconciler.is_launching:
                # Meanwhile what is there already: a kill has but a few seconds.
                self.batch = reconciler.batch
                known = self._new_reconciler(client).destroy_all()
                await asyncio.gather(
                    known, reconciler.wait_for_creates(within=DRAIN_WITHIN), return_exceptions=True
                )
            if reconciler is not None:
                self.batch = reconciler.batch
            return await self._new_reconciler(client).destroy_all()

        try:
            alive = self._hook.call(destroy_all, retry_for=DESTROY_RETRIES_FOR, timeout=timeout)
        except (CanfarError, TimeoutError) as error:
            self._emit(f"The sessions of this task could not be destroyed: {error}")
        else:
            if alive:
                self._emit(f"Still alive: {', '.join(alive)}.")

    def _record_ends(self) -> None:
        """Record how replicas have ended, and show their logs, before the task fails for another reason."""

        async def record_ends(client: SkahaClient) -> None:
            reconciler = self._new_reconciler(client)
            try:
                await reconciler.record_ends()
            finally:
                self.batch = reconciler.batch

        try:
            self._hook.call(record_ends, retry_for=DESTROY_RETRIES_FOR)
        except CanfarError as error:
            self._emit(f"What had ended by then could not all be recorded: {error}")

    def _new_reconciler(self, client: SkahaClient) -> Reconciler:
        return Reconciler(
            client,
            self._spec,
            self.batch,
            self._limits,
            emit=self._emit,
            harvest=self._show,
            is_complete=self._is_whole,
        )

    def _handle_wake(self, wake: WakeEvent) -> None:
        """Take in what a wait has seen.

        :raises CredentialRefused: when the platform refuses the credential.
        :raises SessionNeverStarted: when a session cannot start, or has not in time.
        :raises SessionTimeout: when the deadline has passed.
        """
        self._emit(f"Going on: {wake.reason.value}.")
        self.batch = self.batch.told(wake.ended, wake.gone, wake.started)
        if wake.reason is WakeReason.REFUSED:
            raise self._credential_refused(wake.words)
        if wake.never:
            # After a deferral under dag.test() no names are known.
            names = {launch.session_id: f" ({launch.name})" for launch in self.batch.launched.values()}
            raise SessionNeverStarted(
                "\n".join(
                    f"Session {session_id}{names.get(session_id, '')} does not start: {words}"
                    for session_id, words in wake.never.items()
                )
                + "\nThe sessions of this task are destroyed.",
                session_id=next(iter(wake.never)),
                status="Pending",
            )
        if wake.reason is WakeReason.DEADLINE:
            unsettled = self.batch.unsettled()
            raise SessionTimeout(
                f"The execution_timeout has passed and {len(unsettled)} of {self.batch.replicas} replicas "
                f"had not ended; they are destroyed: {self._ids()}."
            )

    def _credential_refused(self, words: str) -> CredentialRefused:
        return CredentialRefused(
            f"{words} The sessions of this task still run: {self._ids()}. "
            "When the credential is renewed, a retry of this task goes on with them."
        )

    def _ids(self) -> str:
        return ", ".join(launch.session_id for launch in self.batch.unsettled().values()) or "none"

    def _advance(self) -> Verdict | WaitSpec:
        """Do all that can be done now, and return the verdict or what to wait for."""

        async def advance(client: SkahaClient) -> Plan | None:
            self._reconciler = reconciler = self._new_reconciler(client)
            reconciler.stopped = self._stopped
            try:
                return await reconciler.advance()
            except AuthenticationError as error:
                if not reconciler.batch.unsettled():
                    raise
                # As where the trigger is refused: what runs is not lost with the credential.
                raise self._credential_refused(str(error)) from error
            except RequestError as error:
                if reconciler.launch_refused or not is_waited_out(error, reconciler.batch):
                    raise
                self._emit(f"The platform does not answer; the task waits until it does. {error}")
                return None
            finally:
                self.batch = reconciler.batch

        plan = self._hook.call(advance, retry_for=FIRST_ANSWER_WITHIN)
        if plan is not None and plan.verdict is not None:
            return plan.verdict
        return self._waiting(plan)

    def _waiting(self, plan: Plan | None) -> WaitSpec:
        batch, limits, within = self.batch, self._limits, self._options.startup_timeout
        waited_for = batch.unsettled().values()
        slots_to_free = None
        if plan is not None and plan.queued:
            slots_to_free = max(1, (limits.max_active or 1) // SLOTS_PER_WAKE)
        retry_at = self._reconciler.retry_at if self._reconciler is not None else None
        if plan is None:
            # What could not be planned may want launching; the wait wakes the worker when there is an answer.
            retry_at = retry_at or time.time() + BUSY_FOR
        return WaitSpec(
            key=batch.identity.key,
            sessions={one.session_id: one.name for one in waited_for},
            slots_to_free=slots_to_free,
            retry_at=retry_at,
            failures_left=limits.max_failed - len(batch.failed()) if limits.fail_fast else None,
            deadline=self._deadline,
            logging_interval=self._options.logging_interval,
            since=time.time(),
            record_within=self._options.record_within,
            start_by={
                one.session_id: float(round(one.at + within))
                for one in waited_for
                if within is not None and not one.has_started
            },
        )

    async def _wait_for(self, wait_spec: WaitSpec) -> WakeEvent:
        self._wait = asyncio.current_task()
        if self._stopped and self._wait is not None:
            # Told so after the last look, and before there was anything to cancel.
            self._wait.cancel()
        return await self._keep(wait_spec, partial(self._hook.watch, interval=self._options.poll_interval))

    async def _keep(self, wait_spec: WaitSpec, watch: Subscribe) -> WakeEvent:
        """Look until there is a reason to go on."""
        return await keep_watch(TaskWait(wait_spec), watch, emit=self._emit)

    def _show(self, harvest: EndedSession) -> Outcome:
        read = self._read(harvest)
        for line in report.log_lines(read.outcome, read.log, read.fault, self._options.max_log_bytes):
            self._emit(line)
        if not read.outcome.succeeded and read.fault is None:
            self._tails[read.outcome.session_id] = report.tail(read.log)
        return read.outcome

    def _end(self, verdict: Verdict) -> list[Outcome]:
        """Report, and return how each replica ended or raise why the task failed."""
        self._emit(report.table(self.batch))
        try:
            if verdict is Verdict.SUCCESS:
                return [outcome for _, outcome in sorted(self.batch.outcomes.items())]
            raise self._failure()
        finally:
            self._destroy_ended()

    def _destroy_ended(self) -> None:
        """Destroy sessions that have ended, if the author wants that."""
        ended = [
            outcome.session_id
            for outcome in self.batch.outcomes.values()
            if self._options.on_finish_action == "destroy"
            or (self._options.on_finish_action == "destroy_succeeded" and outcome.succeeded)
        ]
        if ended:
            try:
                self._hook.call(lambda client: client.destroy(ended))
            except CanfarError as error:
                # They have ended, and the platform forgets them within the hour anyway.
                self._emit(f"Not all of the ended sessions could be destroyed: {error}")

    def _failure(self) -> SessionFailed | SessionGone:
        """Say why the task failed, with the last lines of the first that did."""
        described = self.batch.failed()[: report.DESCRIBED]
        tails = self._tails | self._tails_of([one for one in described if one.session_id not in self._tails])
        return report.failure(self.batch, tails, self._limits.max_failed)

    def _tails_of(self, failed: Sequence[Outcome]) -> dict[str, str]:
        """Read once more the ends of logs that were shown in an earlier phase, where the platform has them.

        It answers an empty log where it has forgotten the session.
        """
        if not failed:
            return {}
        try:
            logs = self._hook.call(lambda client: client.logs([one.session_id for one in failed]))
        except PartialFailure as failure:
            logs = failure.results
        except RequestError:
            # The logs are above already; without them the error says less, and still says which.
            logs = {}
        # Once more without what only a program reads.
        read = [
            self._read(EndedSession(one, logs[one.session_id])) for one in failed if logs.get(one.session_id)
        ]
        return {one.outcome.session_id: report.tail(one.log) for one in read}
