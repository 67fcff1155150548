"""What to do now about the replicas of a task, as a pure function.

A first run, a retry after a crash and a resume all ask :func:`plan` the same question: these replicas are
wanted, these sessions are on the platform, these outcomes are known; which to launch, adopt, destroy, record
or wait for, and is there a verdict?

Three rules hold whatever the order of crashes, lost responses, retries and preemptions:

* of the live sessions of one replica, all except one are destroyed;
* a replica that has succeeded is never launched again within its epoch;
* only a success is a success: a session with an unknown status is still running.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.duplicates import first_of_each, one_per_id, status_precedence
from airflow_provider_canfar.skaha.naming import SessionName
from airflow_provider_canfar.skaha.statuses import GONE, NEVER_STARTED, Status
from airflow_provider_canfar.task_sessions.batch import AssignedSession, Batch, Outcome
from airflow_provider_canfar.task_sessions.batch_states import without_session
from airflow_provider_canfar.task_sessions.replica_states import ReplicaState

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_provider_canfar.skaha.models import Session
    from airflow_provider_canfar.task_sessions.limits import Limits
    from airflow_provider_canfar.task_sessions.start_problem import StartFailure


class Verdict(StrEnum):
    """How a task ends."""

    SUCCESS = "success"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class ListedSession:
    """A session of this task instance, as a list of the platform shows it."""

    session_id: str
    name: SessionName
    status: Status
    word: str
    started: datetime | None = None

    @property
    def is_pending(self) -> bool:
        """Whether it has not started, or waits to start again."""
        return self.status is Status.PENDING

    @property
    def age_order(self) -> tuple[bool, int, bool, str, str]:
        """Sort key, oldest first: by try, then by start; a session that has not started is the youngest.

        A session that is Terminating comes last: of live duplicates, it is not the one to keep.
        """
        started = self.started.isoformat() if self.started else ""
        is_ending = self.status is Status.TERMINATING
        return (is_ending, self.name.try_number, self.started is None, started, self.session_id)

    @property
    def precedence(self) -> tuple[int, str, str]:
        """Sort key of several rows of one session: the last one counts."""
        started = self.started.isoformat() if self.started else ""
        return (status_precedence(self.status), started, str(self.name))


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now.

    :param launch: replicas to launch, in order.
    :param queued: replicas to launch later, when others have ended.
    :param alive: replica -> the session that stands for it and has not ended.
    :param missing: replica -> the session that stands for it and is not in the list. With a verdict, the task
        no longer waits for it, and it may be alive.
    :param destroy: live sessions that the task does not need: superseded, surplus, or of a failed task.
    :param ended: replicas whose end this plan sees for the first time.
    :param verdict: None while there is more to wait for.
    """

    launch: tuple[int, ...]
    queued: tuple[int, ...]
    alive: Mapping[int, ListedSession]
    missing: Mapping[int, AssignedSession]
    destroy: tuple[ListedSession, ...]
    ended: tuple[Outcome, ...]
    verdict: Verdict | None


def own_sessions(batch: Batch, sessions: Iterable[Session]) -> list[ListedSession]:
    """Pick a task instance's own sessions out of an account's list, of whatever epoch, each of them once.

    Those that have ended and whose replicas are folded are left out: they are most, and change nothing.
    """
    identity, state, seen = batch.identity, batch.folded.state, []
    of_replica = re.compile(rf"{identity.stem}-{identity.key}-{identity.epoch}-([0-9]{{1,5}})-[0-9]+")
    for session in one_per_id(sessions).values():
        match = of_replica.fullmatch(session.name) if session.status.is_final else None
        if match is not None and state(int(match[1])) != ReplicaState.WAITING:
            continue
        name = SessionName.parse(session.name)
        if name is not None and identity.owns(name):
            seen.append(
                ListedSession(session.id, name, session.status, session.status_word, session.start_time)
            )
    return seen


def plan(
    batch: Batch,
    seen: Collection[ListedSession],
    *,
    limits: Limits,
    start_failures: Mapping[str, StartFailure] | None = None,
    account_room: int | None = None,
) -> Plan:
    """Decide what to do now.

    :param batch: what is wanted and known.
    :param seen: the task instance's sessions in a *complete* list of the platform, in any order. Of several
        rows of one session, the live, later state counts.
    :param limits: how many may run, and how many may fail.
    :param start_failures: id -> why the session does not start; those that the list shows as Pending have
        failed.
    :param account_room: how many more sessions the account may have, by the same list; None for no limit.
    """
    draft = _Draft(start_failures or {})
    seen = _one_each(batch, seen)
    by_replica: dict[int, list[ListedSession]] = {}
    for one in [*seen, *_remembered(batch, {one.session_id for one in seen})]:
        if one.session_id in batch.discarded:
            continue
        if batch.is_current(one.name):
            by_replica.setdefault(one.name.replica, []).append(one)
        elif not one.status.is_final:
            # A clear has ended its epoch, or the number of replicas has changed since.
            draft.destroy.append(one)
    for replica in sorted(by_replica.keys() | batch.launched.keys()):
        draft.classify(batch, replica, by_replica.get(replica, []))
    draft.wanted = sorted(draft.wanted + without_session(batch, by_replica))

    failure_budget_spent = batch.record(draft.ended).failed_count > limits.max_failed
    launch, queued = [], []
    if not failure_budget_spent:
        room = draft.room(limits, account_room)
        launch, queued = draft.wanted[:room], draft.wanted[room:]
    elif limits.fail_fast:
        draft.destroy += draft.alive.values()
        draft.alive = {}

    verdict = None
    waits_for_missing = draft.missing and not (failure_budget_spent and limits.fail_fast)
    if not (draft.alive or waits_for_missing or launch or queued):
        verdict = Verdict.FAILURE if failure_budget_spent else Verdict.SUCCESS
    return Plan(
        launch=tuple(launch),
        queued=tuple(queued),
        alive=draft.alive,
        missing=draft.missing,
        destroy=tuple(draft.destroy),
        ended=tuple(draft.ended),
        verdict=verdict,
    )


@dataclass(slots=True)
class _Draft:
    """A plan in the making: each replica classified by what to do about it."""

    start_failures: Mapping[str, StartFailure]
    alive: dict[int, ListedSession] = field(default_factory=dict)
    missing: dict[int, AssignedSession] = field(default_factory=dict)
    wanted: list[int] = field(default_factory=list)
    ended: list[Outcome] = field(default_factory=list)
    destroy: list[ListedSession] = field(default_factory=list)

    def room(self, limits: Limits, account_room: int | None) -> int:
        """Return how many of the wanted replicas may be launched."""
        rooms = [len(self.wanted), limits.most_alive - len(self.alive) - len(self.missing)]
        if account_room is not None:
            # By a list that does not show the missing ones.
            rooms.append(account_room - len(self.missing))
        return max(0, min(rooms))

    def classify(self, batch: Batch, replica: int, mine: list[ListedSession]) -> None:
        if batch.is_settled(replica) and all(one.status.is_final for one in mine):
            return
        live = sorted((one for one in mine if not one.status.is_final), key=lambda one: one.age_order)
        # One that has started after all, while the worker was on its way, goes on.
        stuck = [one for one in live if one.session_id in self.start_failures and one.is_pending]
        live = [one for one in live if one not in stuck]
        others = [one for one in mine if one not in stuck]
        outcome = batch.settled(replica) or _end_of(batch, replica, others, live)
        if outcome is None and stuck and not live:
            outcome = _never_started(batch, stuck[0], self.start_failures[stuck[0].session_id])
        self.destroy += stuck
        if outcome is not None:
            self.destroy += live
            if not batch.is_settled(replica):
                self.ended.append(outcome)
        elif live:
            self.alive[replica] = live[0]
            self.destroy += live[1:]
        elif replica in batch.launched:
            self.missing[replica] = batch.launched[replica]
        else:
            self.wanted.append(replica)


def _one_each(batch: Batch, seen: Collection[ListedSession]) -> list[ListedSession]:
    """Return each session once; one that stands for a replica has the name by which it was launched."""
    by_id = first_of_each(seen, lambda one: one.session_id, lambda one: one.precedence)
    for launch in batch.launched.values():
        one = by_id.get(launch.session_id)
        if one is None or str(one.name) == launch.name:
            continue
        name = SessionName.parse(launch.name)
        if name is not None:
            by_id[launch.session_id] = replace(one, name=name)
    return [*by_id.values()]


def _remembered(batch: Batch, listed: Collection[str]) -> list[ListedSession]:
    """Return the ends that a wait has seen and that the list no longer shows."""
    forgotten = []
    for launch in batch.launched.values():
        word = batch.ended.get(launch.session_id)
        if word is None or launch.session_id in listed:
            continue
        name = SessionName.parse(launch.name)
        if name is not None:
            forgotten.append(ListedSession(launch.session_id, name, Status.of(word), word))
    return forgotten


def _end_of(
    batch: Batch, replica: int, mine: list[ListedSession], live: list[ListedSession]
) -> Outcome | None:
    """Find how a replica without an outcome has ended, or None if it has not or must be launched again."""
    succeeded = [one for one in mine if one.status.is_success]
    if succeeded:
        return _outcome(batch, min(succeeded, key=lambda one: one.age_order))
    if live:
        return None
    launch = batch.launched.get(replica)
    for one in sorted(mine, key=lambda one: one.age_order):
        # A failure of an earlier try is what this try is for; a failure of this try is its outcome, also
        # where the answer to its create never came and it is not among the launched.
        if one.name.try_number == batch.try_number or (launch and one.session_id == launch.session_id):
            return _outcome(batch, one)
    if launch is not None and launch.session_id in batch.gone:
        return Outcome(
            replica=replica,
            session_id=launch.session_id,
            name=launch.name,
            status=GONE,
            succeeded=False,
            try_number=batch.try_number,
        )
    return None


def _outcome(batch: Batch, one: ListedSession) -> Outcome:
    return Outcome(
        replica=one.name.replica,
        session_id=one.session_id,
        name=str(one.name),
        status=one.word,
        succeeded=one.status.is_success,
        try_number=batch.try_number,
        started=one.started.isoformat() if one.started else None,
    )


def earlier_failures(batch: Batch, seen: Iterable[ListedSession], replicas: Collection[int]) -> list[Outcome]:
    """Return how the latest session of each of these replicas failed in an earlier try, by a list.

    The platform forgets a session an hour after its end, so some may be missing.
    """
    failed: dict[int, ListedSession] = {}
    for one in sorted(seen, key=lambda one: one.age_order):
        is_failed = one.status.is_final and not one.status.is_success
        if is_failed and batch.is_current(one.name) and one.name.replica in replicas:
            failed[one.name.replica] = one
    return [_outcome(batch, one) for _, one in sorted(failed.items())]


def _never_started(batch: Batch, one: ListedSession, failure: StartFailure) -> Outcome:
    # The platform's start time is that of the Job, which it admitted; its container has not started.
    outcome = replace(_outcome(batch, one), status=NEVER_STARTED, started=None)
    return replace(outcome, reason=failure.reason, retryable=failure.retryable)
