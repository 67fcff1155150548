"""One phase of an interactive task: it ends when its session can be opened, and the session goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_canfar.operators._task_runner import TaskRunner
from airflow_provider_canfar.skaha.errors import (
    NotFound,
    Rejected,
    RequestError,
    SessionError,
    SessionFailed,
    SessionGone,
    SessionTimeout,
)
from airflow_provider_canfar.skaha.http.urls import without_secrets
from airflow_provider_canfar.skaha.naming import SessionName
from airflow_provider_canfar.skaha.statuses import GONE, Status
from airflow_provider_canfar.task_sessions import failure_report
from airflow_provider_canfar.task_sessions.ended_session import LogReader
from airflow_provider_canfar.task_sessions.interactive_wait import (
    InteractiveWaitSpec,
    active_interactive_sessions,
    is_quota,
)
from airflow_provider_canfar.task_sessions.limits import Limits
from airflow_provider_canfar.task_sessions.plan import Plan, Verdict
from airflow_provider_canfar.task_sessions.session_xcoms import sessions_to_json
from airflow_provider_canfar.task_sessions.wait_spec import WaitSpec, WakeEvent, WakeReason

if TYPE_CHECKING:
    from airflow_provider_canfar.hooks.canfar import CanfarHook
    from airflow_provider_canfar.skaha.models import Session, SessionSpec
    from airflow_provider_canfar.task_sessions.batch import Batch, Outcome
    from airflow_provider_canfar.task_sessions.run_options import RunOptions

#: Seconds after which the session is asked for again, even where no slot was seen to come free: one may have
#: come free between the platform's refusal and the first list.
SLOT_RETRY_EVERY = 300.0


class InteractiveRunner(TaskRunner):
    """One phase of an interactive task in a worker.

    :param wait_for_quota: wait for a slot where the user has as many sessions as the platform allows.
    :param wait_for_url: wait until the session's URL answers.
    :param keep_alive_for: seconds for which to keep the open session alive; None to end when it is open.
    :param keep_until: until when to keep it, where it is open already; seconds since the epoch.
    """

    def __init__(
        self,
        *,
        hook: CanfarHook,
        spec: SessionSpec,
        batch: Batch,
        deadline: float | None,
        options: RunOptions,
        emit: Callable[[str], None],
        wait_for_quota: bool = False,
        wait_for_url: bool = False,
        keep_alive_for: float | None = None,
        keep_until: float | None = None,
    ) -> None:
        super().__init__(
            hook=hook,
            spec=spec,
            batch=batch,
            limits=Limits(),
            deadline=deadline,
            options=options,
            emit=emit,
            reader=LogReader(),
        )
        #: Where a browser opens the session, as soon as the platform says so.
        self.url: str | None = None
        self._wait_for_quota = wait_for_quota
        self._wait_for_url = wait_for_url
        self._keep_alive_for = keep_alive_for
        self._keep_until = keep_until
        self._url_answered = False
        self._was_kept = False

    def xcoms(self, *, whole: bool) -> dict[str, Any]:
        """Return the XComs to push whenever the session is known, by key."""
        sessions = [{**one, "url": self.url} for one in sessions_to_json(self.batch)]
        return super().xcoms(whole=whole) | {"sessions": sessions, "url": self.url}

    def carried(self) -> dict[str, Any]:
        """Return what the next phase needs to know besides the batch; JSON."""
        return {"keep_until": self._keep_until}

    @property
    def _page(self) -> str:
        """The session's URL for the log: without the token that opens it, which the XCom ``url`` has."""
        return without_secrets(self.url or "")

    def _timed_out(self) -> SessionTimeout:
        limit = failure_report.execution_timeout(self._options.execution_timeout)
        fate = "destroyed" if self._options.destroy_on_kill else "left running"
        return SessionTimeout(
            f"{limit} has passed. The session of this task is {fate}: "
            f"{failure_report.unsettled_ids(self.batch)}.",
            **failure_report.first_left(self.batch, self._recorder.tails),
        )

    def _handle_wake(self, wake: WakeEvent) -> None:
        """Take in what a wait has seen."""
        super()._handle_wake(wake)
        self._url_answered |= wake.reason is WakeReason.OPEN
        self._was_kept |= wake.reason is WakeReason.KEPT

    def _reconcile(self) -> Verdict | WaitSpec:
        """Do all that can be done now, and return what to wait for; a verdict when it is open or ended."""
        before = {launch.session_id for launch in self.batch.launched.values()}
        try:
            next_step = super()._reconcile()
        except Rejected as refusal:
            if not (self._wait_for_quota and is_quota(refusal)):
                raise
            return self._wait_for_slot(refusal)
        if isinstance(next_step, Verdict):
            return self._after_end(before)
        if not self._is_open(self._read_session()):
            return next_step
        if self._keep_alive_for is None or self._was_kept:
            return Verdict.SUCCESS
        if self._keep_until is None:
            self._keep_until = time.time() + self._keep_alive_for
            keep_for = f"{self._keep_alive_for:.0f} s"
            self._emit(f"The session is open; keeping it alive for {keep_for}: {self._page}")
        # What has been planned, and nothing else: without a plan the worker would be woken to make one.
        return InteractiveWaitSpec(**asdict(next_step) | {"keep_until": self._keep_until})

    def _wait_spec(self, plan: Plan | None) -> InteractiveWaitSpec:
        return InteractiveWaitSpec(
            **asdict(super()._wait_spec(plan)),
            url_must_answer=self._wait_for_url,
            keep_until=self._keep_until,
        )

    def _wait_for_slot(self, refusal: Rejected) -> WaitSpec:
        self._emit(f"Waiting for a free interactive session slot. {refusal.server_message}")
        sessions = self._hook.call(lambda client: client.fetch(view="interactive"))
        return replace(
            self._wait_spec(None),
            retry_at=time.time() + SLOT_RETRY_EVERY,
            fewer_than=active_interactive_sessions(sessions),
        )

    def _read_session(self) -> Session | None:
        """Read the session itself; None where the platform does not know it yet, or does not respond."""
        launch = next(iter(self.batch.unsettled().values()), None)
        if launch is None:
            return None
        try:
            sessions = self._hook.call(lambda client: client.info(launch.session_id), retry_for=0)
        except RequestError as error:
            if error.retryable or isinstance(error, NotFound):
                return None
            raise
        session = sessions[launch.session_id]
        self.url = session.connect_url or self.url
        return session

    def _is_open(self, session: Session | None) -> bool:
        if session is None or session.status is not Status.RUNNING:
            return False
        return self._url_answered or not self._wait_for_url or self._keep_until is not None

    def _after_end(self, before: set[str]) -> Verdict | WaitSpec:
        """Decide what the end of the session means: success only after it was open, and without a failure."""
        outcome = self.batch.outcomes[1]
        if self._keep_until is not None and (outcome.succeeded or outcome.status == GONE):
            self._emit("The session was ended by hand.")
            return Verdict.SUCCESS
        name = SessionName.parse(outcome.name)
        if outcome.session_id in before or name is None or name.try_number == self.batch.try_number:
            return Verdict.FAILURE
        # It served an earlier try, whose worker died without a word. This one needs a session of its own.
        destroyed = self._hook.call(lambda client: client.destroy(outcome.session_id))
        if not destroyed[outcome.session_id]:
            raise SessionError(
                f"The ended session {outcome.session_id} of an earlier try could not be destroyed.",
                session_id=outcome.session_id,
                name=outcome.name,
                replica=outcome.replica,
                status=outcome.status,
            )
        self._reconciler.batch = replace(self.batch, outcomes={}, ended={})
        return self._reconcile()

    def _finish(self, verdict: Verdict) -> list[Outcome]:
        """Raise why the session cannot be opened, if it cannot."""
        if verdict is Verdict.SUCCESS:
            if self.batch.unsettled():
                self._emit(f"Leaving the session to its user: {self._page}")
            return []
        outcome = self.batch.outcomes[1]
        if outcome.reason is not None:
            raise failure_report.failure(self.batch, {}, 0, self._recorder.events)
        when = "while it was kept alive" if self._keep_until is not None else "before it could be opened"
        kind = SessionGone if outcome.status == GONE else SessionFailed
        raise kind(
            f"Session {outcome.session_id} ({outcome.name}) ended {when}: {outcome.status}.",
            session_id=outcome.session_id,
            name=outcome.name,
            replica=outcome.replica,
            status=outcome.status,
            log_tail=self._recorder.tails.get(outcome.session_id, ""),
        )
