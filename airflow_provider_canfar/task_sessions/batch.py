"""What to do now: the plan of a task's replicas, as a pure function.

A first run, a retry after a crash and a resume all ask :func:`plan` the same question: these replicas are
wanted, these sessions are on the platform, these outcomes are known; what shall be launched, adopted,
destroyed, recorded or waited for, and is there a verdict?

Three rules hold whatever the order of crashes, lost answers, retries and preemptions:

* of the live sessions of one replica, all but one are destroyed;
* a replica that has succeeded is never launched again within its epoch;
* only a success is a success: a status never heard of is a session that still runs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, astuple, dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_canfar.skaha.errors import SpecError
from airflow_provider_canfar.skaha.models import Status
from airflow_provider_canfar.skaha.naming import Identity, SessionName
from airflow_provider_canfar.skaha.statuses import GONE

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_provider_canfar.skaha.models import Session


class Verdict(StrEnum):
    """How a task ends."""

    SUCCESS = "success"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class ListedSession:
    """A session of this task instance, as a list of the platform showed it."""

    session_id: str
    name: SessionName
    status: Status
    word: str
    started: datetime | None = None

    @property
    def age_order(self) -> tuple[bool, int, bool, str, str]:
        """Sort key, oldest first: by try, then by start; one that has not started is the youngest.

        One that is being ended already comes last: of live twins, it is not the one to keep.
        """
        started = self.started.isoformat() if self.started else ""
        is_ending = self.status is Status.TERMINATING
        return (is_ending, self.name.try_number, self.started is None, started, self.session_id)


@dataclass(frozen=True, slots=True)
class AssignedSession:
    """The session that stands for a replica: launched by this try, or adopted from an earlier one.

    :param at: when, in seconds since the epoch.
    :param has_started: whether it has been seen to run. One that is Pending again afterwards was preempted.
    """

    session_id: str
    name: str
    at: float = 0.0
    has_started: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one replica ended, in words that fit into JSON.

    :param try_number: the task's try in which the end was seen. A session launched by an earlier try and
        adopted by this one counts for this one.
    :param result: what the replica returned, where it runs a function: JSON as text, since Airflow finds a
        meaning of its own in some keys of what it carries over a deferral.
    """

    replica: int
    session_id: str
    name: str
    status: str
    succeeded: bool
    try_number: int
    started: str | None = None
    result: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """How many replicas may run at once, and how many may fail.

    :param max_active: None for no bound of ours.
    :param fail_fast: destroy what still runs as soon as more than ``max_failed`` have failed. Otherwise
        nothing more is launched from then on, and what runs may end.
    :raises SpecError: for bounds within which nothing could succeed.
    """

    max_active: int | None = None
    max_failed: int = 0
    fail_fast: bool = False

    def __post_init__(self) -> None:
        if self.max_active is not None and self.max_active < 1:
            raise SpecError(
                f"max_active_replicas={self.max_active} is refused: nothing would ever be launched. "
                "Give 1 or more, or leave it out for no bound."
            )
        if self.max_failed < 0:
            raise SpecError(
                f"max_failed_replicas={self.max_failed} is refused: no fewer than none can fail. "
                "Give 0 or more."
            )


@dataclass(frozen=True, slots=True)
class Batch:
    """The replicas of one try of a task, and what is known of them; carried from one wait to the next.

    :param launched: replica -> the session that stands for it in this try.
    :param outcomes: replica -> how it ended, within this epoch.
    :param ended: id -> the platform's word for an end that a wait has seen; lists may omit it by now.
    :param gone: ids that the platform no longer knows, for certain: several lists have omitted them and a
        direct read has answered 404. Being absent from a list alone proves nothing.
    :param discarded: ids of sessions of earlier tries that ended well, but brought no result where one was due.
    :param first_try: sessions of tries before this one count for nothing: there was another number of
        replicas then, and each had another share of the work.
    """

    identity: Identity
    try_number: int
    replicas: int
    launched: Mapping[int, AssignedSession] = field(default_factory=dict)
    outcomes: Mapping[int, Outcome] = field(default_factory=dict)
    ended: Mapping[str, str] = field(default_factory=dict)
    gone: tuple[str, ...] = ()
    discarded: tuple[str, ...] = ()
    first_try: int = 1

    def name(self, replica: int) -> str:
        """Name a session that this try launches for the replica."""
        return str(self.identity.name(replica, self.try_number))

    def is_of_now(self, name: SessionName) -> bool:
        """Tell whether a session of this name may stand for a replica."""
        is_asked_for = name.replica <= self.replicas and name.try_number >= self.first_try
        return name.epoch == self.identity.epoch and is_asked_for

    def assign(self, launches: Mapping[int, AssignedSession]) -> Self:
        """Remember which session stands for which replica."""
        return replace(self, launched={**self.launched, **launches})

    def told(self, ended: Mapping[str, str], gone: Iterable[str], started: Collection[str] = ()) -> Self:
        """Remember what a wait has seen."""
        launched = {
            replica: replace(launch, has_started=launch.has_started or launch.session_id in started)
            for replica, launch in self.launched.items()
        }
        all_gone = tuple(sorted({*self.gone, *gone}))
        return replace(self, launched=launched, ended={**self.ended, **ended}, gone=all_gone)

    def record(self, outcomes: Iterable[Outcome]) -> Self:
        """Remember how replicas ended."""
        return replace(self, outcomes={**self.outcomes, **{one.replica: one for one in outcomes}})

    def take(self, seen: Outcome, read: Outcome) -> Self:
        """Remember how a replica ended.

        :param seen: by the platform's word alone.
        :param read: by its log as well. Where that makes a failure of a success, and the session is one of an
            earlier try, the session counts for nothing, and this try launches the replica again.
        """
        launch, name = self.launched.get(seen.replica), SessionName.parse(seen.name)
        is_ours = launch is not None and launch.session_id == seen.session_id
        is_earlier = not is_ours and name is not None and name.try_number != self.try_number
        if seen.succeeded and not read.succeeded and is_earlier:
            return replace(self, discarded=(*self.discarded, seen.session_id))
        return self.record([read])

    def failed(self) -> list[Outcome]:
        """Return the failures of this try, in the replicas' order."""
        return sorted(
            (one for one in self.outcomes.values() if self._counts(one) and not one.succeeded),
            key=lambda one: one.replica,
        )

    def _counts(self, outcome: Outcome) -> bool:
        """Tell whether it counts: a success for the whole epoch, a failure for the try that saw it."""
        return outcome.succeeded or outcome.try_number == self.try_number

    def unsettled(self) -> dict[int, AssignedSession]:
        """Return the sessions that are still waited for."""
        return {replica: launch for replica, launch in self.launched.items() if self.settled(replica) is None}

    def settled(self, replica: int) -> Outcome | None:
        """Return the replica's outcome if it needs no further session in this try."""
        outcome = self.outcomes.get(replica)
        return outcome if outcome is not None and self._counts(outcome) else None

    def to_json(self) -> dict[str, Any]:
        """Write the batch down as Airflow carries it over a deferral: JSON, and no secret in it."""
        identity = self.identity
        return {
            "identity": [identity.stem, identity.key, identity.epoch],
            "try_number": self.try_number,
            "replicas": self.replicas,
            "launched": [[replica, *astuple(one)] for replica, one in self.launched.items()],
            "outcomes": [asdict(one) for one in self.outcomes.values()],
            "ended": dict(self.ended),
            "gone": list(self.gone),
            "discarded": list(self.discarded),
            "first_try": self.first_try,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read back what :meth:`to_json` wrote."""
        outcomes = [Outcome(**one) for one in data["outcomes"]]
        return cls(
            identity=Identity(*data["identity"]),
            try_number=data["try_number"],
            replicas=data["replicas"],
            launched={replica: AssignedSession(*launch) for replica, *launch in data["launched"]},
            outcomes={one.replica: one for one in outcomes},
            ended=data["ended"],
            gone=tuple(data["gone"]),
            discarded=tuple(data.get("discarded", ())),
            first_try=data.get("first_try", 1),
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now.

    :param launch: replicas to launch, in order.
    :param queued: replicas to launch later, when others have ended.
    :param alive: replica -> the session that stands for it and has not ended.
    :param missing: replica -> the session that stands for it and is not in the list. With a verdict: nobody
        waits for it any more, and it may be alive.
    :param destroy: live sessions that nobody needs: superseded, surplus, or of a failed task.
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


def own_sessions(identity: Identity, sessions: Iterable[Session]) -> list[ListedSession]:
    """Pick a task instance's own sessions out of an account's list, whatever their epoch."""
    seen = []
    for session in sessions:
        name = SessionName.parse(session.name)
        if name is not None and identity.owns(name):
            seen.append(
                ListedSession(session.id, name, session.status, session.status_word, session.start_time)
            )
    return seen


def plan(batch: Batch, seen: Collection[ListedSession], *, limits: Limits) -> Plan:
    """Decide what to do now.

    :param batch: what is wanted and known.
    :param seen: the task instance's sessions in a *whole* list of the platform, in any order.
    :param limits: how many may run, and how many may fail.
    """
    draft = _Draft()
    by_replica: dict[int, list[ListedSession]] = {}
    for one in [*seen, *_remembered(batch, {one.session_id for one in seen})]:
        if one.session_id in batch.discarded:
            continue
        if batch.is_of_now(one.name):
            by_replica.setdefault(one.name.replica, []).append(one)
        elif not one.status.is_final:
            # A clear has ended its epoch, or the number of replicas has changed since.
            draft.destroy.append(one)
    for replica in range(1, batch.replicas + 1):
        draft.sort(batch, replica, by_replica.get(replica, []))

    overspent = len(batch.record(draft.ended).failed()) > limits.max_failed
    launch, queued = [], []
    if not overspent:
        room = len(draft.wanted)
        if limits.max_active is not None:
            room = max(0, limits.max_active - len(draft.alive) - len(draft.missing))
        launch, queued = draft.wanted[:room], draft.wanted[room:]
    elif limits.fail_fast:
        draft.destroy += draft.alive.values()
        draft.alive = {}

    verdict = None
    waits_for_missing = draft.missing and not (overspent and limits.fail_fast)
    if not (draft.alive or waits_for_missing or launch or queued):
        verdict = Verdict.FAILURE if overspent else Verdict.SUCCESS
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
    """A plan in the making: each replica sorted by what is to be done about it."""

    alive: dict[int, ListedSession] = field(default_factory=dict)
    missing: dict[int, AssignedSession] = field(default_factory=dict)
    wanted: list[int] = field(default_factory=list)
    ended: list[Outcome] = field(default_factory=list)
    destroy: list[ListedSession] = field(default_factory=list)

    def sort(self, batch: Batch, replica: int, mine: list[ListedSession]) -> None:
        live = sorted((one for one in mine if not one.status.is_final), key=lambda one: one.age_order)
        outcome = batch.settled(replica) or _end_of(batch, replica, mine, live)
        if outcome is not None:
            self.destroy += live
            if batch.outcomes.get(replica) != outcome:
                self.ended.append(outcome)
        elif live:
            self.alive[replica] = live[0]
            self.destroy += live[1:]
        elif replica in batch.launched:
            self.missing[replica] = batch.launched[replica]
        else:
            self.wanted.append(replica)


def _remembered(batch: Batch, listed: Collection[str]) -> list[ListedSession]:
    """Return the ends that a wait has seen and that the list no longer shows."""
    forgotten = []
    for launch in batch.launched.values():
        name = SessionName.parse(launch.name)
        word = batch.ended.get(launch.session_id)
        if name is not None and word is not None and launch.session_id not in listed:
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
