"""A task on a platform where everything goes wrong, in every order: what holds all the same.

Hypothesis plays the platform (sessions start, end, are preempted, vanish, come late), the network (answers
are lost, requests fail), the worker (it is killed at any request, or told what a wait has seen) and the
person who clears the task. ``CANFAR_THOROUGH=1`` lets it play for longer.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import Counter
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from airflow_provider_canfar.skaha.errors import RequestError, ServerError, Unreachable
from airflow_provider_canfar.skaha.models import SessionSpec
from airflow_provider_canfar.skaha.naming import Identity, SessionName
from airflow_provider_canfar.skaha.polling.session_tracker import LISTS_UNTIL_MISSING
from airflow_provider_canfar.skaha.polling.snapshot import Snapshot
from airflow_provider_canfar.skaha.statuses import GONE
from airflow_provider_canfar.task_sessions.batch import Batch
from airflow_provider_canfar.task_sessions.ended_session import LogReader, OutcomeRecorder
from airflow_provider_canfar.task_sessions.journal import PAGE_BYTES
from airflow_provider_canfar.task_sessions.limits import Limits
from airflow_provider_canfar.task_sessions.lost_creates import LOST_CREATE_WAIT
from airflow_provider_canfar.task_sessions.plan import Plan, Verdict
from airflow_provider_canfar.task_sessions.reconcile import Reconciler
from airflow_provider_canfar.task_sessions.start_problem import StartFailure
from airflow_provider_canfar.task_sessions.task_wait import TaskWait
from airflow_provider_canfar.task_sessions.wait_spec import WaitSpec
from tests.fake_platform import RETENTION, SUCCESSES, Create, Died, FakePlatform, Row
from tests.fake_task import FakeStore
from tests.task_sessions.journaled import journal, resumed

T = TypeVar("T")

#: Mostly good, but whatever else there is too; never a refusal, which ends the task.
CREATES = st.lists(
    st.sampled_from([*[Create.GOOD] * 6, *(how for how in Create if how is not Create.REFUSED)]), max_size=6
)
FAULTS = st.lists(
    st.sampled_from([None, None, Unreachable("no answer"), ServerError("500", status=500)]), max_size=4
)
#: Which of the sessions something happens to.
CHOICES = st.integers(0, 20)
#: What comes too often otherwise for anything else to come to an end.
SELDOM = st.sampled_from([False, False, True])
ENDS = st.sampled_from(["Completed", "Completed", "Succeeded", "Failed", "Error"])


class Task(RuleBasedStateMachine):
    """A task, from its first try on. What must hold is asserted wherever it could break."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.platform = FakePlatform()
        self.platform.on_create = self.check_create
        self.platform.on_destroy = self.check_destroy
        self.batch = Batch(Identity("stars", "k3v5x2qamd", 0), 1, 1)
        self.reconciler: Reconciler | None = None
        self.verdict: Verdict | None = None
        self.destroys_all = False
        self.same_work_since = 1
        self.ended_before: set[str] = set()
        #: What the last wait has seen of sessions that do not start.
        self.start_failures: dict[str, StartFailure] = {}

    @initialize(
        replicas=st.integers(1, 3),
        limits=st.builds(Limits, st.none() | st.integers(1, 2), st.integers(0, 1), st.booleans()),
        remembers=st.booleans(),
        page_bytes=st.sampled_from([1, PAGE_BYTES]),
        unlisted_for=st.sampled_from([0.0, 0.0, 20.0, 300.0]),
        late_by=st.sampled_from([10.0, 90.0, LOST_CREATE_WAIT + 60]),
    )
    def begin(
        self,
        replicas: int,
        limits: Limits,
        remembers: bool,
        page_bytes: int,
        unlisted_for: float,
        late_by: float,
    ) -> None:
        self.batch = replace(self.batch, replicas=replicas)
        self.spec = SessionSpec(name="stars", image="skaha/astroml:24.07", replicas=replicas)
        self.limits = limits
        self.remembers = remembers
        self.page_bytes = page_bytes
        self.store = FakeStore()
        journal(self.store).begin(self.batch)
        self.platform.unlisted_for = unlisted_for
        self.platform.late_by = late_by

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(call)

    def teardown(self) -> None:
        try:
            if hasattr(self, "limits"):
                self.come_to_an_end()
        finally:
            self.loop.close()

    # What the worker does.

    def new_attempt(self) -> Reconciler:
        clock = self.platform.clock
        self.reconciler = Reconciler(
            self.spec,
            self.batch,
            self.limits,
            recorder=OutcomeRecorder(LogReader(), emit=lambda line: None, max_log_bytes=None),
            emit=lambda line: None,
            clock=clock,
            sleep=clock.sleep,
        )
        self.reconciler.start_failures, self.start_failures = self.start_failures, {}
        return self.reconciler

    def go_on(self) -> Plan:
        """Go on in a new phase of the try, with what the deferral has carried."""
        self.batch = resumed(self.batch, self.store)
        reconciler = self.new_attempt()
        try:
            plan = self.run(reconciler.reconcile(self.platform.client))
        finally:
            self.batch = reconciler.batch
        self.verdict = plan.verdict
        self.remember()
        return plan

    def remember(self) -> None:
        """Write down what has become known."""
        kept = journal(self.store, self.page_bytes)
        kept.resume(self.batch)
        kept.record(self.batch)

    def whole(self, batch: Batch) -> Batch:
        """Return all that is known, of what earlier phases have settled, too."""
        return journal(self.store).complete(batch)

    def next_try(self, replicas: int | None = None) -> None:
        """Begin the next try, perhaps with another number of replicas, of which each is other work then."""
        self.verdict = None
        self.ended_before = {row.session_id for row in self.platform.record if not row.is_live}
        batch = Batch(self.batch.identity, self.batch.try_number + 1, replicas or self.batch.replicas)
        if batch.replicas != self.batch.replicas:
            self.same_work_since = batch.try_number
            self.spec = self.spec.model_copy(update={"replicas": batch.replicas})
        if not self.remembers:
            # An old Airflow, which clears the XComs.
            self.store = FakeStore()
        kept = journal(self.store)
        self.batch = kept.saved.apply_to(batch, resume=False) if kept.saved is not None else batch
        kept.begin(self.batch)

    def go_on_or_fail(self) -> Plan | None:
        """Go on in a new phase. None where the platform did not answer; the task fails, or waits on."""
        try:
            return self.go_on()
        except RequestError:
            assert self.reconciler is not None
            self.fair_weather()
            if self.reconciler.launcher.refused:
                self.fails()
            return None
        finally:
            self.fair_weather()

    def fair_weather(self) -> None:
        self.platform.creates = []
        self.platform.faults = {}

    @precondition(lambda self: self.verdict is None)
    @rule(creates=CREATES)
    def advances(self, creates: list[Create]) -> None:
        self.platform.creates = creates
        plan = self.go_on_or_fail()
        if plan is not None:
            self.check_sessions()
            self.check_verdict(plan)
            self.check_that_nothing_is_left_to_do(plan)

    @precondition(lambda self: self.verdict is None)
    @rule(creates=CREATES, fetches=FAULTS, destroys=FAULTS, logs=FAULTS)
    def advances_in_bad_weather(
        self,
        creates: list[Create],
        fetches: list[RequestError | None],
        destroys: list[RequestError | None],
        logs: list[RequestError | None],
    ) -> None:
        self.platform.creates = creates
        self.platform.faults = {"fetch": fetches, "destroy": destroys, "logs": logs}
        plan = self.go_on_or_fail()
        if plan is not None:
            self.check_verdict(plan)

    @precondition(lambda self: self.verdict is None)
    @rule(creates=CREATES, requests=st.integers(1, 12))
    def is_killed_at_any_request(self, creates: list[Create], requests: int) -> None:
        """Lose what it knew. A worker that comes so far is killed before it has told anybody."""
        self.platform.creates = creates
        self.platform.requests_to_live = requests
        rows = dict(self.store.rows)
        try:
            with contextlib.suppress(Died, RequestError):
                self.go_on()
        finally:
            self.platform.creates = []
            self.platform.requests_to_live = None
        self.store.rows = rows
        self.next_try()

    @precondition(lambda self: self.verdict is None)
    @rule(
        subscription=st.integers(1, LISTS_UNTIL_MISSING + 1),
        seconds=st.sampled_from([15.0, 120.0, RETENTION]),
    )
    def waits(self, subscription: int, seconds: float) -> None:
        """Tell what a wait has seen after so many looks."""
        task_wait = TaskWait(
            WaitSpec("k3v5x2qamd", {one.session_id: one.name for one in self.batch.unsettled().values()})
        )
        for _ in range(subscription):
            self.platform.clock.now += seconds
            now = self.platform.clock.now
            task_wait.observe(Snapshot(now, tuple(row.reported() for row in self.platform.listed())))
            task_wait.mark_gone(
                [one for one in task_wait.tracker.missing_ids() if not self.platform.knows(one)], now
            )
        self.batch = self.batch.with_observations(task_wait.tracker.ended, task_wait.tracker.gone)
        self.remember()

    @precondition(lambda self: self.verdict is Verdict.FAILURE)
    @rule()
    def is_retried(self) -> None:
        self.fails()

    @precondition(lambda self: self.verdict is Verdict.FAILURE and self.remembers)
    @rule(replicas=st.integers(1, 3))
    def is_retried_with_more_or_fewer_replicas(self, replicas: int) -> None:
        self.fails(replicas)

    @rule(replicas=st.integers(1, 3), sure=SELDOM)
    def is_cleared(self, replicas: int, *, sure: bool) -> None:
        if not sure:
            return
        identity = replace(self.batch.identity, epoch=self.batch.try_number)
        self.batch = replace(self.batch, identity=identity)
        self.next_try(replicas)

    def fails(self, replicas: int | None = None) -> None:
        """Fail the try: nothing of it is left alive, as far as its sessions are known; then try again."""
        self.destroys_all = True
        assert self.run(self.new_attempt().destroy_all(self.platform.client)) == []
        self.destroys_all = False
        known = {one.session_id for one in self.batch.launched.values()}
        assert not [row for row in self.live() if row.session_id in known]
        assert not [row for row in self.live() if self.is_listed(row)]
        self.next_try(replicas)

    # What the platform does.

    def choose(self, choice: int, *words: str) -> Row | None:
        rows = [row for row in self.platform.live() if row.word in words]
        return rows[choice % len(rows)] if rows else None

    @rule(choice=CHOICES)
    def a_session_starts(self, choice: int) -> None:
        if row := self.choose(choice, "Pending"):
            row.start(self.platform.clock.now)

    @precondition(lambda self: self.verdict is None)
    @rule(words=st.lists(st.none() | ENDS, min_size=3, max_size=3))
    def goes_on_when_some_have_ended(self, words: list[str | None]) -> None:
        for row, word in zip(self.live(), words, strict=False):
            if word is not None:
                row.end(word, self.platform.clock.now)
        self.advances([])

    @precondition(lambda self: self.verdict is None)
    @rule(choice=CHOICES, starts=st.booleans())
    def goes_on_when_one_does_not_start(self, choice: int, starts: bool) -> None:
        if row := self.choose(choice, "Pending"):
            self.start_failures = {row.session_id: StartFailure("no such image")}
            if starts:
                # While the worker was on its way.
                row.start(self.platform.clock.now)
            self.advances([])

    @rule(choice=CHOICES, word=ENDS)
    def a_session_ends(self, choice: int, word: str) -> None:
        if row := self.choose(choice, "Pending", "Running", "Terminating", "Frozen"):
            row.end(word, self.platform.clock.now)

    @rule(choice=CHOICES, word=st.sampled_from(["Terminating", "Frozen"]))
    def a_session_is_in_a_strange_state(self, choice: int, word: str) -> None:
        if row := self.choose(choice, "Pending", "Running"):
            row.word = word

    @rule(choice=CHOICES)
    def a_session_is_preempted(self, choice: int) -> None:
        if row := self.choose(choice, "Running"):
            row.preempt()

    @rule(choice=CHOICES)
    def a_session_vanishes(self, choice: int) -> None:
        if row := self.choose(choice, "Pending", "Running"):
            row.vanish()

    @rule(seconds=st.sampled_from([30.0, 100.0, 400.0, RETENTION + 1]))
    def time_passes(self, seconds: float) -> None:
        self.platform.clock.now += seconds

    # What must hold.

    def name(self, row: Row) -> SessionName:
        name = SessionName.parse(row.name)
        assert name is not None
        return name

    def live(self) -> list[Row]:
        return self.platform.live()

    def is_listed(self, row: Row) -> bool:
        return row in self.platform.listed()

    def is_current(self, row: Row) -> bool:
        """Whether it does work that is still wanted."""
        name = self.name(row)
        is_wanted = name.replica <= self.batch.replicas and name.try_number >= self.same_work_since
        return is_wanted and name.epoch == self.batch.identity.epoch

    def known_successes(self) -> set[int]:
        """Whose success the platform still lists, or the try knows."""
        batch = self.whole(self.reconciler.batch if self.reconciler is not None else self.batch)
        listed = {row.replica for row in self.platform.listed() if self.is_current(row) and row.has_succeeded}
        seen = {
            replica for replica, one in batch.launched.items() if batch.ended.get(one.session_id) in SUCCESSES
        }
        return listed | seen | {replica for replica, one in batch.outcomes.items() if one.succeeded}

    def check_create(self, name: str) -> None:
        """No replica is launched that has succeeded, twice in a try, beside one that lives, or in vain."""
        new = SessionName.parse(name)
        assert new is not None
        assert new.epoch == self.batch.identity.epoch
        assert new.replica not in self.known_successes()
        assert name not in {row.name for row in self.platform.listed()}
        assert self.reconciler is not None
        assert self.reconciler.batch.failed_count <= self.limits.max_failed
        assert not [row for row in self.live() if row.replica == new.replica and self.is_listed(row)]
        if self.limits.max_active is not None:
            known = {one.session_id for one in self.reconciler.batch.launched.values()}
            alive = [row for row in self.live() if self.is_listed(row) or row.session_id in known]
            assert len([row for row in alive if self.is_current(row)]) < self.limits.max_active

    def check_destroy(self, row: Row) -> None:
        """Nothing is destroyed that is still needed."""
        # What no list shows yet has to be taken for alive, by a task that is over.
        assert row.is_live or not self.is_listed(row)
        if self.destroys_all or not self.is_current(row):
            return
        assert self.reconciler is not None
        batch = self.reconciler.batch
        twins = [
            one
            for one in self.live()
            if one.replica == row.replica and self.is_current(one) and one is not row
        ]
        assert (
            twins
            or row.replica in self.known_successes()
            or batch.settled(row.replica)
            or (self.limits.fail_fast and batch.failed_count > self.limits.max_failed)
        )

    def check_sessions(self) -> None:
        """At most one session lives of each replica, and none of an older epoch, as far as lists show."""
        alive = [row for row in self.live() if self.is_listed(row)]
        assert all(map(self.is_current, alive))
        assert set(Counter(row.replica for row in alive).values()) <= {1}

    def check_verdict(self, plan: Plan) -> None:
        if plan.verdict is None:
            return
        assert not plan.launch
        assert not plan.queued
        whole = self.whole(self.batch)
        failed = whole.failed()
        if plan.verdict is Verdict.SUCCESS:
            succeeded = {
                row.replica for row in self.platform.record if self.is_current(row) and row.has_succeeded
            }
            assert self.batch.replicas - len(succeeded) <= self.limits.max_failed
            assert len(failed) <= self.limits.max_failed
            assert len(whole.outcomes) == self.batch.replicas
        else:
            assert len(failed) > self.limits.max_failed
        for outcome in whole.outcomes.values():
            row = self.platform.row(outcome.session_id)
            assert not row.is_live
            # One that was forgotten before anybody looked has failed, however it ended.
            is_gone = outcome.status == GONE and outcome.session_id not in whole.ended
            assert row.has_succeeded == outcome.succeeded or is_gone
        # What had failed before this try is what it is for.
        assert not self.ended_before & {outcome.session_id for outcome in failed}

    def check_that_nothing_is_left_to_do(self, plan: Plan) -> None:
        """Go on at once, which changes nothing; after a failure in a hurry, nothing known is alive."""
        if plan.verdict is Verdict.FAILURE and self.limits.fail_fast:
            known = {one.session_id for one in self.batch.launched.values()}
            assert not [row for row in self.live() if row.session_id in known or self.is_listed(row)]
            return
        assert self.reconciler is not None
        if self.reconciler.launcher.retry_at is not None:
            return
        made, alive, batch = len(self.platform.record), len(self.live()), self.whole(self.batch)
        again = self.go_on()
        assert (len(self.platform.record), len(self.live())) == (made, alive)
        assert (again.verdict, again.alive.keys(), again.queued) == (
            plan.verdict,
            plan.alive.keys(),
            plan.queued,
        )
        assert self.whole(self.batch) == batch

    def come_to_an_end(self) -> None:
        """In fair weather every task ends well, and leaves nothing behind."""
        for _ in range(4 * self.batch.replicas + 8):
            self.platform.clock.now += LOST_CREATE_WAIT + 300
            if self.verdict is Verdict.SUCCESS and not self.live():
                return
            self.verdict = None if self.verdict is Verdict.SUCCESS else self.verdict
            if self.verdict is Verdict.FAILURE:
                self.is_retried()
            self.advances([])
            for row in self.live():
                row.end("Completed", self.platform.clock.now)
            if self.verdict is None:
                self.waits(LISTS_UNTIL_MISSING, self.platform.unlisted_for + 1.0)
                # By the time that a worker is free, the platform has forgotten what the wait has seen.
                self.platform.clock.now += RETENTION
        raise AssertionError("the task does not come to an end")


THOROUGH = bool(os.environ.get("CANFAR_THOROUGH"))
TestTask = Task.TestCase
TestTask.settings = settings(
    max_examples=1000 if THOROUGH else 200, stateful_step_count=50 if THOROUGH else 25, deadline=None
)
