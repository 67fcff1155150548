"""One phase of a task's replicas: observe the platform, plan, act; again until only waiting is left.

The same lines serve a first run, a retry after a crash and a resume after a wait.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.errors import RequestError, ServiceBusy, Unreachable
from airflow_provider_canfar.skaha.metrics import Metric
from airflow_provider_canfar.skaha.statuses import Status
from airflow_provider_canfar.task_sessions import launch_report
from airflow_provider_canfar.task_sessions.batch import AssignedSession, Batch, Outcome
from airflow_provider_canfar.task_sessions.destroyer import Destroyer
from airflow_provider_canfar.task_sessions.ended_session import EndedSession, OutcomeRecorder
from airflow_provider_canfar.task_sessions.failure_report import never_started
from airflow_provider_canfar.task_sessions.launcher import Launcher
from airflow_provider_canfar.task_sessions.lost_creates import LOST_CREATE_WAIT
from airflow_provider_canfar.task_sessions.plan import (
    ListedSession,
    Plan,
    earlier_failures,
    own_sessions,
    plan,
)

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.client import SkahaClient
    from airflow_provider_canfar.skaha.models import SessionSpec
    from airflow_provider_canfar.task_sessions.limits import Limits
    from airflow_provider_canfar.task_sessions.start_problem import StartFailure

#: How many logs of ended sessions are read at once. Each is a kubectl on the platform, and may be 10 MB.
LOG_CONCURRENCY = 8

#: How often an incomplete log is read again.
LOG_RETRIES = 2

#: Seconds until an incomplete log is read again.
LOG_RETRY_AFTER = 5.0


class Reconciler:
    """Owns what one phase of a task knows of its replicas, from the phase's beginning to its end.

    Each call takes the client to use, as a phase may open several.

    :param spec: what each replica runs.
    :param batch: what is known at the start; :attr:`batch` is what is known now.
    :param limits: how many may run, and how many may fail.
    :param recorder: shows the log of each ended session, and returns the outcome to record.
    :param emit: writes one line to the task's log.
    :param lost_create_wait: seconds for which to look for a session whose response was lost.
    """

    def __init__(
        self,
        spec: SessionSpec,
        batch: Batch,
        limits: Limits,
        *,
        recorder: OutcomeRecorder,
        emit: Callable[[str], None],
        lost_create_wait: float = LOST_CREATE_WAIT,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.batch = batch
        self.launcher = Launcher(spec, emit=emit, lost_create_wait=lost_create_wait, clock=clock, sleep=sleep)
        self._stopped = False
        self._listed: list[ListedSession] = []
        #: Whether this try has launched nothing yet; what it adopts does not count.
        self._is_first_launch = batch.since is None
        self._account_room: int | None = None
        #: Whether the platform has answered a first list.
        self.has_listed = False
        #: Id -> why the session does not start, as the last wait has seen it.
        self.start_failures: Mapping[str, StartFailure] = {}
        self._spec = spec
        self._limits = limits
        self._recorder = recorder
        self._emit = emit
        self._destroyer = Destroyer(emit)
        self._clock = clock
        self._sleep = sleep

    def stop(self) -> None:
        """Launch nothing more, and read no more logs."""
        self._stopped = True
        self.launcher.stopped = True

    async def reconcile(self, client: SkahaClient) -> Plan:
        """Do all that can be done now, and return the plan that is left: a verdict, or what to wait for.

        Where the platform is too busy for more, or does not let go of sessions that must give way first, the
        plan still has replicas to launch, and the launcher's ``retry_at`` says when to try.

        :raises RequestError: when the platform cannot be asked, or refuses a launch (``launcher.refused``).
        """
        launcher = self.launcher
        launcher.begin_round()
        while True:
            now = await self._observe(client)
            self._adopt(client, now.alive)
            alive = await self._destroy(client, now.destroy, now.missing if now.verdict else {})
            if alive and now.launch:
                # They may be second sessions of the very replicas that are to be launched.
                launcher.postpone()
                self._emit(f"Not launching until {', '.join(alive)} is gone; checking again in 30 s.")
            if not now.launch or launcher.stopped or launcher.retry_at is not None:
                return now
            await self._launch(client, now.launch)

    async def _launch(self, client: SkahaClient, replicas: Collection[int]) -> None:
        """Launch a session for each replica, and log how many; in a retry, also why.

        :raises RequestError: when the platform refuses a launch (``launcher.refused``).
        """
        before = self.batch.launched
        if self._is_first_launch and self.batch.try_number > 1:
            await self._log_retry(client, replicas)
        names = {replica: self.batch.name(replica) for replica in replicas}
        try:
            await self.launcher.launch(client, names, self._assign)
        finally:
            new = [one for replica, one in self.batch.launched.items() if replica not in before]
            if new:
                several = {one.session_id: one.name for one in new}
                kept = self.batch.succeeded_count if self._is_first_launch else 0
                self._emit(launch_report.launched(several, kept))
                self._is_first_launch = False

    async def _log_retry(self, client: SkahaClient, replicas: Collection[int]) -> None:
        failures = earlier_failures(self.batch, self._listed, replicas)
        await self._recorder.read_missing_tails(client, failures)
        for line in launch_report.retry_lines(self.batch, replicas, failures, self._recorder.tails):
            self._emit(line)

    async def record_ends(self, client: SkahaClient) -> None:
        """Record what has ended, and show its logs; launch and destroy nothing.

        :raises RequestError: when the platform cannot be asked.
        """
        await self._observe(client)

    async def destroy_all(self, client: SkahaClient) -> list[str]:
        """Destroy every live session of this task instance, and return the ids of those that stay alive."""
        now = self._plan(await self._list(client))
        return await self._destroy(client, [*now.destroy, *now.alive.values()], now.missing)

    @property
    def is_destroyed(self) -> bool:
        """Whether each session that has not ended by itself has been destroyed."""
        return all(one.session_id in self._destroyer.destroyed for one in self.batch.unsettled().values())

    async def _observe(self, client: SkahaClient) -> Plan:
        """List the sessions, and record what has ended."""
        listed = await self._list(client)
        now = self._plan(listed)
        if now.ended:
            known = self.batch.outcomes
            try:
                await self._record(client, now.ended)
            finally:
                self._measure(client, known)
            # What the logs say beyond the platform's word may change the verdict.
            now = self._plan(listed)
        return now

    def _measure(self, client: SkahaClient, known: Mapping[int, Outcome]) -> None:
        """Count the outcomes that were recorded beyond the known ones."""
        new = [one for one in self.batch.outcomes.values() if known.get(one.replica) != one]
        client.metrics.send(Metric.SESSIONS_SUCCEEDED, sum(one.succeeded for one in new))
        client.metrics.send(Metric.SESSIONS_FAILED, sum(not one.succeeded for one in new))

    async def _list(self, client: SkahaClient) -> list[ListedSession]:
        """List the account's sessions, and return this task instance's own."""
        sessions = await client.fetch(kind=self._spec.kind)
        self.has_listed = True
        if self._limits.account is not None:
            self._account_room = self._limits.account.room(sessions, self.batch.identity.key)
        self._listed = own_sessions(self.batch, sessions)
        return self._listed

    def _plan(self, listed: Collection[ListedSession]) -> Plan:
        return plan(
            self.batch,
            listed,
            limits=self._limits,
            start_failures=self.start_failures,
            account_room=self._account_room,
        )

    def _assign(self, replica: int, session: AssignedSession) -> None:
        self.batch = self.batch.assign({replica: session})

    def _adopt(self, client: SkahaClient, alive: Mapping[int, ListedSession]) -> None:
        """Let live sessions stand for their replicas, and log those that another phase launched."""
        adopted = {}
        for replica, one in alive.items():
            known = self.batch.launched.get(replica)
            if known is None or known.session_id != one.session_id:
                self._assign(replica, AssignedSession(one.session_id, str(one.name), round(self._clock(), 1)))
                adopted[one.session_id] = str(one.name)
        if adopted:
            client.metrics.send(Metric.SESSIONS_ADOPTED, len(adopted))
            self._emit(launch_report.adopted(adopted))
        started = [one.session_id for one in alive.values() if one.status is not Status.PENDING]
        self.batch = self.batch.with_observations({}, (), started)

    async def _record(self, client: SkahaClient, ended: Iterable[Outcome]) -> None:
        """Record how replicas ended, and show their logs while the platform still has them.

        :raises RequestError: when a log that must be read could not be had. The others are recorded all the
            same, unless the platform itself does not answer.
        """
        faults: list[RequestError] = []
        ordered = sorted(ended, key=lambda one: (one.succeeded, one.replica))
        stuck = [one for one in ordered if one.reason is not None]
        self.batch = self.batch.record(stuck)
        if self.batch.replicas > 1 or self._limits.max_failed:  # Else the task's error says it.
            for line in never_started(stuck):
                self._emit(line)
        for outcome in stuck:
            await self._recorder.read_events(client, outcome)
        with_log = [one for one in ordered if one.reason is None]
        for start in range(0, len(with_log), LOG_CONCURRENCY):
            if self._stopped:
                break
            several = with_log[start : start + LOG_CONCURRENCY]
            read = await asyncio.gather(*(self._ended_session(client, outcome) for outcome in several))
            unanswered = [one.outcome for one in read if isinstance(one.fault, Unreachable | ServiceBusy)]
            self._record_each([one for one in read if one.outcome not in unanswered], faults)
            if unanswered:
                # In an outage this raises, and the logs are read when it is over. Where the platform does
                # answer, and still does not return a log, the outcome is recorded without it.
                await self._list(client)
                again = [await self._ended_session(client, outcome) for outcome in unanswered]
                self._record_each(again, faults)
        if faults:
            raise faults[0]

    def _record_each(self, several: Iterable[EndedSession], faults: list[RequestError]) -> None:
        for ended in several:
            try:
                self.batch = self.batch.record_outcome(ended.outcome, self._recorder.record(ended))
            except (Unreachable, ServiceBusy):
                # This is not about one log; the next round comes when the platform answers again.
                raise
            except RequestError as fault:
                faults.append(fault)

    async def _ended_session(self, client: SkahaClient, outcome: Outcome) -> EndedSession:
        ended = await self._read_log(client, outcome)
        for _ in range(LOG_RETRIES):
            if self._recorder.reader.is_complete(ended):
                break
            # The server answers an empty log, or the beginning of one, where its kubectl fails
            # (GetAction.streamContainerLogs).
            await self._sleep(LOG_RETRY_AFTER)
            ended = await self._read_log(client, outcome)
        return ended

    async def _read_log(self, client: SkahaClient, outcome: Outcome) -> EndedSession:
        try:
            logs = await client.logs(outcome.session_id, max_bytes=self._recorder.read_bytes)
            return EndedSession(outcome, logs[outcome.session_id])
        except RequestError as error:
            # The outcome stands without its log.
            return EndedSession(outcome, "", error)

    async def _destroy(
        self,
        client: SkahaClient,
        listed: Iterable[ListedSession],
        unlisted: Mapping[int, AssignedSession],
    ) -> list[str]:
        """Destroy sessions, and return the ids of those that are still alive, or may be.

        :param unlisted: a new session may stay unlisted for minutes; its id is good all the same.
        """
        listed = [*listed]
        # The table shows it, and afterwards no list does.
        starts = {one.session_id: one.started.isoformat() for one in listed if one.started is not None}
        self.batch = self.batch.with_start_times(starts)
        names = {one.session_id: str(one.name) for one in listed}
        names |= {one.session_id: one.name for one in unlisted.values()}
        return await self._destroyer.destroy(client, names)
