"""The loop of an interactive task: it ends when its session can be opened, and the session goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

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
from airflow_provider_canfar.skaha.models import Status
from airflow_provider_canfar.skaha.naming import SessionName
from airflow_provider_canfar.skaha.statuses import GONE
from airflow_provider_canfar.task_sessions import report
from airflow_provider_canfar.task_sessions.batch import Batch, Limits, Outcome, Plan, Verdict
from airflow_provider_canfar.task_sessions.interactive_wait import (
    InteractiveWaitSpec,
    active_interactive_sessions,
    is_quota,
    keep_open,
)
from airflow_provider_canfar.task_sessions.wait import WaitSpec, WakeEvent, WakeReason

if TYPE_CHECKING:
    from airflow_provider_canfar.hooks.canfar import CanfarHook
    from airflow_provider_canfar.operators._options import RunOptions
    from airflow_provider_canfar.skaha.models import Session, SessionSpec
    from airflow_provider_canfar.skaha.polling.subscriptions import Subscribe
    from airflow_provider_canfar.task_sessions.reconcile import EndedSession

#: Seconds after which a place is asked for again, even where none was seen to come free: another's may have
#: come free between the platform's refusal and the first look.
ASK_FOR_A_PLACE_EVERY = 300.0


@dataclass(frozen=True, slots=True)
class Wishes:
    """What an interactive task waits for, in words of its operator.

    :param quota: for a place, where the user has as many sessions as there may be.
    :param page: for the session's page to answer.
    :param keep_alive_for: seconds for which the open session is kept alive; None to be done when it is open.
    """

    quota: bool = False
    page: bool = False
    keep_alive_for: float | None = None


class InteractiveRunner(TaskRunner):
    """One phase of an interactive task in a worker.

    :attr:`url` is where a browser opens the session, as soon as the platform says so.

    :param wishes: what is waited for.
    :param keep_until: until when the session is kept, where it is open already; seconds since the epoch.
    """

    def __init__(
        self,
        *,
        hook: CanfarHook,
        spec: SessionSpec,
        batch: Batch,
        wishes: Wishes,
        keep_until: float | None,
        deadline: float | None,
        options: RunOptions,
        emit: Callable[[str], None],
    ) -> None:
        super().__init__(
            hook=hook,
            spec=spec,
            batch=batch,
            limits=Limits(),
            deadline=deadline,
            options=options,
            emit=emit,
            read=lambda harvest: harvest,
        )
        self.url: str | None = None
        self.keep_until = keep_until
        self._wishes = wishes
        self._page_answered = False
        self._kept = False
        self._log = ""

    def _handle_wake(self, wake: WakeEvent) -> None:
        """Take in what a wait has seen."""
        if wake.reason is WakeReason.DEADLINE:
            raise SessionTimeout(
                f"The execution_timeout has passed. The session of this task is destroyed: {self._ids()}."
            )
        super()._handle_wake(wake)
        self._page_answered |= wake.reason is WakeReason.OPEN
        self._kept |= wake.reason is WakeReason.KEPT

    def _advance(self) -> Verdict | WaitSpec:
        """Do all that can be done now, and return what to wait for; a verdict when it is open or ended."""
        before = {launch.session_id for launch in self.batch.launched.values()}
        try:
            ahead = super()._advance()
        except Rejected as refusal:
            if not (self._wishes.quota and is_quota(refusal)):
                raise
            return self._wait_for_a_place(refusal)
        if isinstance(ahead, Verdict):
            return self._after_its_end(before)
        if not self._is_open(self._look()):
            return ahead
        if self._wishes.keep_alive_for is None or self._kept:
            return Verdict.SUCCESS
        if self.keep_until is None:
            self.keep_until = time.time() + self._wishes.keep_alive_for
            self._emit(
                f"The session is open, and kept alive for {self._wishes.keep_alive_for:.0f} s: {self.url}"
            )
        # What has been planned, and nothing else: without a plan the worker would be woken to make one.
        return InteractiveWaitSpec(**asdict(ahead) | {"keep_until": self.keep_until})

    def _waiting(self, plan: Plan | None) -> InteractiveWaitSpec:
        return InteractiveWaitSpec(
            **asdict(super()._waiting(plan)),
            page_must_answer=self._wishes.page,
            keep_until=self.keep_until,
        )

    def _wait_for_a_place(self, refusal: Rejected) -> WaitSpec:
        self._emit(f"{refusal.server_message} A place is waited for.")
        sessions = self._hook.call(lambda client: client.fetch(view="interactive"))
        return replace(
            self._waiting(None),
            retry_at=time.time() + ASK_FOR_A_PLACE_EVERY,
            fewer_than=active_interactive_sessions(sessions),
        )

    def _look(self) -> Session | None:
        """Read the session itself; None where the platform does not know it yet, or does not answer."""
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
        return self._page_answered or not self._wishes.page or self.keep_until is not None

    def _after_its_end(self, before: set[str]) -> Verdict | WaitSpec:
        """Decide what the end of the session means: nothing after it was open, unless it has failed."""
        outcome = self.batch.outcomes[1]
        if self.keep_until is not None and (outcome.succeeded or outcome.status == GONE):
            self._emit("The session was ended by hand.")
            return Verdict.SUCCESS
        name = SessionName.parse(outcome.name)
        if outcome.session_id in before or name is None or name.try_number == self.batch.try_number:
            return Verdict.FAILURE
        # It served an earlier try, whose worker died without a word. This one needs a session of its own.
        gone = self._hook.call(lambda client: client.destroy(outcome.session_id))
        if not gone[outcome.session_id]:
            raise SessionError(
                f"The ended session {outcome.session_id} of an earlier try could not be destroyed.",
                session_id=outcome.session_id,
                name=outcome.name,
                status=outcome.status,
            )
        self.batch = replace(self.batch, outcomes={}, ended={})
        return self._advance()

    async def _keep(self, wait_spec: WaitSpec, watch: Subscribe) -> WakeEvent:
        return await keep_open(InteractiveWaitSpec.from_json(wait_spec.to_json()), watch, emit=self._emit)

    def _show(self, harvest: EndedSession) -> Outcome:
        self._log = harvest.log
        return super()._show(harvest)

    def _end(self, verdict: Verdict) -> list[Outcome]:
        """Raise why the session cannot be opened, if it cannot."""
        if verdict is Verdict.SUCCESS:
            if self.batch.unsettled():
                self._emit(f"The session is left to its user: {self.url}")
            return []
        outcome = self.batch.outcomes[1]
        when = "while it was kept" if self.keep_until is not None else "before it could be opened"
        kind = SessionGone if outcome.status == GONE else SessionFailed
        raise kind(
            f"Session {outcome.session_id} ({outcome.name}) ended {when}: {outcome.status}.",
            session_id=outcome.session_id,
            name=outcome.name,
            status=outcome.status,
            log_tail=report.tail(self._log),
        )
