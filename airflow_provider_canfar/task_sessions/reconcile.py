"""One try of a task: observe the platform, plan, act on the plan; again until there is only waiting left.

The same few lines serve a first run, a retry after a crash and a resume after a wait. They know no Airflow:
what people shall read goes to ``emit`` and ``harvest``, which the operator gives.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.errors import PartialFailure, RequestError, ServiceBusy, Unreachable
from airflow_provider_canfar.skaha.statuses import Status
from airflow_provider_canfar.task_sessions import batch as batches
from airflow_provider_canfar.task_sessions.batch import (
    AssignedSession,
    Batch,
    Limits,
    ListedSession,
    Outcome,
    Plan,
)

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.client import SkahaClient
    from airflow_provider_canfar.skaha.models import SessionSpec

#: How many creates are under way at once. Each costs the platform a chain of look-ups and a kubectl.
LAUNCH_CONCURRENCY = 8

#: A create has taken the platform 90 s. This many seconds after a lost answer its session is looked for in
#: the list, before the same is sent again.
LOST_CREATE_WAIT = 180.0

#: The same where the platform itself says that there is none: it is too busy, or Kubernetes has no such job.
NO_JOB_FOR = 15.0

#: Seconds between two looks for a session whose answer was lost.
LOOK_EVERY = 5.0

#: How many logs of ended sessions are read at once. Each is a kubectl of the platform's, and may be 10 MB.
LOGS_AT_ONCE = 8

#: How often a log is looked at again that does not have in it what is due.
MORE_LOOKS_AT_A_LOG = 2

#: How often one replica is sent in one go without an answer, before the platform's error is the task's.
CREATES_PER_TRY = 3

#: Seconds until a busy platform that names no time is asked again.
BUSY_FOR = 30.0


@dataclass(frozen=True, slots=True)
class EndedSession:
    """What an ended session left behind.

    :param log: standard output and error, as far as the platform still had them.
    :param fault: why the platform did not give the log.
    """

    outcome: Outcome
    log: str
    fault: RequestError | None = None


class Reconciler:
    """One try of a task's replicas.

    :param client: the platform.
    :param spec: what each replica runs.
    :param batch: what is known at the start; :attr:`batch` is what is known now.
    :param limits: how many may run, and how many may fail.
    :param emit: takes one sentence per event.
    :param harvest: takes what each ended session left, as soon as its end is known, and returns the outcome
        to record: the same, or what the log says beyond it. What it raises leaves the outcome unrecorded.
    :param is_complete: tells whether a log has all that is due in it; one that has not is looked at again.
    :param lost_create_wait: seconds for which a session is looked for whose create was not answered.
    """

    def __init__(
        self,
        client: SkahaClient,
        spec: SessionSpec,
        batch: Batch,
        limits: Limits,
        *,
        emit: Callable[[str], None],
        harvest: Callable[[EndedSession], Outcome],
        is_complete: Callable[[EndedSession], bool] = lambda harvest: True,
        lost_create_wait: float = LOST_CREATE_WAIT,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.batch = batch
        self._client = client
        self._spec = spec
        self._limits = limits
        self._emit = emit
        self._harvest = harvest
        self._is_whole = is_complete
        self._lost_create_wait = lost_create_wait
        self._clock = clock
        self._sleep = sleep
        self._unanswered: dict[int, list[RequestError]] = {}
        self._in_flight: list[asyncio.Task[None]] = []
        #: Whether the platform has answered a first time.
        self.has_listed = False
        #: Set from outside to launch nothing more.
        self.stopped = False
        #: Whether the platform refused a launch, and would refuse it again.
        self.launch_refused = False
        #: Seconds since the epoch at which a busy platform may be asked for more sessions.
        self.retry_at: float | None = None

    async def advance(self) -> Plan:
        """Do all that can be done now, and return the plan that is left: a verdict, or what to wait for.

        Where the platform is too busy for more, or does not let go of what must give way first, the plan
        still has replicas to launch, and :attr:`retry_at` says when to try.

        :raises RequestError: when the platform cannot be asked, or refuses a launch (:attr:`launch_refused`).
        """
        while True:
            plan = await self._observe()
            self._adopt(plan.alive)
            alive = await self._destroy(plan.destroy, plan.missing if plan.verdict else {})
            if alive and plan.launch:
                # They may be second sessions of the very replicas that wait for their launch.
                self._emit(f"Nothing is launched beside {', '.join(alive)}; another look comes later.")
                self.retry_at = self._clock() + BUSY_FOR
            if not plan.launch or self.stopped or self.retry_at is not None:
                return plan
            self._refuse_to_send_for_ever(plan.launch)
            await self._launch(plan.launch)

    async def record_ends(self) -> None:
        """Record what has ended, and hand over what it left; launch and destroy nothing.

        :raises RequestError: when the platform cannot be asked.
        """
        await self._observe()

    async def destroy_all(self) -> list[str]:
        """Destroy every live session of this task instance, and return the ids of those that stay alive."""
        plan = self._plan(await self._look())
        return await self._destroy([*plan.destroy, *plan.alive.values()], plan.missing)

    @property
    def is_launching(self) -> bool:
        """Whether creates are under way."""
        return not all(create.done() for create in self._in_flight)

    async def wait_for_creates(self, within: float) -> None:
        """Let the creates that are under way come to their end, so that what they made can be destroyed."""
        if self._in_flight:
            await asyncio.wait(self._in_flight, timeout=within)

    async def _observe(self) -> Plan:
        """Look, and record what has ended."""
        seen = await self._look()
        plan = self._plan(seen)
        if plan.ended:
            await self._collect(plan.ended)
            # What the logs say beyond the platform's word may change the verdict.
            plan = self._plan(seen)
        return plan

    async def _look(self) -> list[ListedSession]:
        """List the account's sessions, and return what is ours among them."""
        sessions = await self._client.fetch(kind=self._spec.kind)
        self.has_listed = True
        return batches.own_sessions(self.batch.identity, sessions)

    def _plan(self, seen: Collection[ListedSession]) -> Plan:
        return batches.plan(self.batch, seen, limits=self._limits)

    def _adopt(self, alive: Mapping[int, ListedSession]) -> None:
        """Let live sessions stand for their replicas; those found here and not launched here are news."""
        for replica, one in alive.items():
            known = self.batch.launched.get(replica)
            if known is None or known.session_id != one.session_id:
                self.batch = self.batch.assign(
                    {replica: AssignedSession(one.session_id, str(one.name), self._clock())}
                )
                self._emit(f"Replica {replica} is {one.name} {one.session_id}, which is alive: adopted.")
        started = [one.session_id for one in alive.values() if one.status is not Status.PENDING]
        self.batch = self.batch.told({}, (), started)

    async def _collect(self, ended: Iterable[Outcome]) -> None:
        """Record how replicas ended, and hand over what they left while the platform still has it.

        :raises RequestError: when a log that has to be read could not be had. The others are recorded all
            the same, unless the platform itself does not answer.
        """
        faults: list[RequestError] = []
        ordered = sorted(ended, key=lambda one: (one.succeeded, one.replica))
        for start in range(0, len(ordered), LOGS_AT_ONCE):
            if self.stopped:
                break
            several = ordered[start : start + LOGS_AT_ONCE]
            harvests = await asyncio.gather(*map(self._harvest_of, several))
            silent = [one.outcome for one in harvests if isinstance(one.fault, Unreachable | ServiceBusy)]
            self._take([one for one in harvests if one.outcome not in silent], faults)
            if silent:
                # In an outage this raises, and the logs are read when it is over. A log that a platform which
                # does answer will not give is done without.
                await self._look()
                self._take([await self._harvest_of(outcome) for outcome in silent], faults)
        if faults:
            raise faults[0]

    def _take(self, harvests: Iterable[EndedSession], faults: list[RequestError]) -> None:
        """Hand over what ended sessions left, and record how each replica ended."""
        for harvest in harvests:
            try:
                self.batch = self.batch.take(harvest.outcome, self._harvest(harvest))
            except (Unreachable, ServiceBusy):
                # It is not about this one's log; another look comes when the platform answers again.
                raise
            except RequestError as fault:
                faults.append(fault)

    async def _harvest_of(self, outcome: Outcome) -> EndedSession:
        harvest = await self._look_at_log(outcome)
        for _ in range(MORE_LOOKS_AT_A_LOG):
            if self._is_whole(harvest):
                break
            # The server answers an empty log, or the beginning of one, where its kubectl fails
            # (GetAction.streamContainerLogs).
            await self._sleep(LOOK_EVERY)
            harvest = await self._look_at_log(outcome)
        return harvest

    async def _look_at_log(self, outcome: Outcome) -> EndedSession:
        try:
            return EndedSession(outcome, (await self._client.logs(outcome.session_id))[outcome.session_id])
        except RequestError as error:
            # The outcome stands without its log.
            return EndedSession(outcome, "", error)

    async def _destroy(
        self, to_destroy: Iterable[ListedSession], unseen: Mapping[int, AssignedSession]
    ) -> list[str]:
        """Destroy sessions, and return the ids of those that are still alive, or may be.

        :param unseen: a new session may stay unlisted for minutes; its id is good all the same.
        """
        names = {one.session_id: str(one.name) for one in to_destroy}
        names |= {one.session_id: one.name for one in unseen.values()}
        if not names:
            return []
        try:
            destroyed = await self._client.destroy(names)
        except PartialFailure as failure:
            destroyed = failure.results
        except RequestError as error:
            # A single one's own error. Of a session that nobody has seen to be gone, it is thought alive.
            self._emit(f"Destroying {', '.join(names)}: {error}")
            destroyed = {}
        alive = [session_id for session_id in names if not destroyed.get(session_id)]
        for session_id, name in names.items():
            how = "could not be destroyed" if session_id in alive else "destroyed"
            self._emit(f"{name} {session_id}: {how}.")
        return alive

    async def _launch(self, replicas: Iterable[int]) -> None:
        """Send a create for each replica, and account for every answer, and for every one that is lost."""
        room = asyncio.Semaphore(LAUNCH_CONCURRENCY)
        doubtful: dict[int, RequestError] = {}
        refused: list[RequestError] = []

        async def launch(replica: int) -> None:
            async with room:
                if refused or self.stopped or self.retry_at is not None:
                    return
                name = self.batch.name(replica)
                try:
                    session_id = await self._client.create_replica(self._spec, replica, name=name)
                except RequestError as error:
                    self._emit(f"Replica {replica} was not answered with a session {name}. {error}")
                    if error.maybe_applied:
                        doubtful[replica] = error
                    if not error.retryable:
                        refused.append(error)
                    else:
                        self._send_again(replica, error)
                else:
                    self.batch = self.batch.assign(
                        {replica: AssignedSession(session_id, name, self._clock())}
                    )
                    self._emit(f"Replica {replica} is {name} {session_id}.")

        self._in_flight = [asyncio.create_task(launch(replica)) for replica in replicas]
        # All of them first: what one of them did not foresee must not leave the others unaccounted for.
        for unforeseen in await self._all_creates():
            if unforeseen is not None:
                raise unforeseen
        # Before any refusal is told: what comes late would otherwise be nobody's.
        await self._settle(doubtful)
        if refused:
            self.launch_refused = True
            raise refused[0]

    async def _all_creates(self) -> list[BaseException | None]:
        """Wait for the creates that are under way.

        A time-out that cancels the wait leaves them be: it would not take back what the platform is making.
        """
        try:
            return await asyncio.gather(*map(asyncio.shield, self._in_flight), return_exceptions=True)
        except asyncio.CancelledError:
            self.stopped = True
            raise

    def _send_again(self, replica: int, error: RequestError) -> None:
        """Say when a replica is sent again, if it has not come by then: at once, or when there is room."""
        if isinstance(error, ServiceBusy) or not error.maybe_applied:
            self.retry_at = self._clock() + (getattr(error, "retry_after", None) or BUSY_FOR)
        else:
            self._unanswered.setdefault(replica, []).append(error)

    def _refuse_to_send_for_ever(self, replicas: Iterable[int]) -> None:
        """Take the platform's last word for a replica that was sent often enough.

        :raises RequestError: that word.
        """
        for replica in replicas:
            unanswered = self._unanswered.get(replica, [])
            if len(unanswered) >= CREATES_PER_TRY:
                self.launch_refused = True
                raise unanswered[-1]

    async def _settle(self, doubtful: Mapping[int, RequestError]) -> None:
        """Wait for sessions whose create was not answered, for as long as the platform may be making them.

        Whether they came is for the next plan to see: it finds them by their names, or launches again.
        """
        now = self._clock()
        expected = {
            self.batch.name(replica): now + self._patience(error) for replica, error in doubtful.items()
        }
        # Each for as long as its own error says: one that was lost does not wait for one that was refused.
        while expected and not self.stopped:
            await self._sleep(LOOK_EVERY)
            there: set[str] = set()
            try:
                there = {session.name for session in await self._client.fetch(kind=self._spec.kind)}
            except RequestError as error:
                self._emit(f"Looking for {len(expected)} sessions whose create was not answered: {error}")
            now = self._clock()
            expected = {name: by for name, by in expected.items() if name not in there and now < by}

    def _patience(self, error: RequestError) -> float:
        """Say for how long a session may still come after this error."""
        # The server has made the job and looked for it, and Kubernetes knew none: making it failed, or is
        # slow (PostAction reads the job back and does not look at the exit status of kubectl).
        no_job = "jobs.batch" in error.server_message and "not found" in error.server_message
        if no_job or isinstance(error, ServiceBusy):
            return min(NO_JOB_FOR, self._lost_create_wait)
        return self._lost_create_wait
