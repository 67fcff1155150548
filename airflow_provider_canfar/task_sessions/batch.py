"""The replicas of one try of a task, and what is known of each. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from airflow_provider_canfar.skaha.naming import Identity, SessionName
from airflow_provider_canfar.skaha.statuses import Status
from airflow_provider_canfar.task_sessions.folded import UNFOLDED, Folded
from airflow_provider_canfar.task_sessions.replica_states import ReplicaState


@dataclass(frozen=True, slots=True)
class AssignedSession:
    """The session that stands for a replica: launched by this try, or adopted from an earlier one.

    :param at: when, in seconds since the epoch.
    :param has_started: whether it has been seen to run. One that is Pending again afterwards was preempted.
    :param started: when it started, as far as a list has shown it before it was destroyed.
    """

    session_id: str
    name: str
    at: float = 0.0
    has_started: bool = False
    started: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one replica ended, in values that JSON can hold.

    :param try_number: the task's try that saw the end. A session that an earlier try launched and this one
        adopted counts for this one.
    :param result: what the replica's function returned: JSON as text, because Airflow gives some keys a
        meaning of its own in what it carries over a deferral.
    :param reason: why it never started, and what to do about it; None for a session that ended by itself.
    :param retryable: whether another session of the replica may do better.
    :param usage: what it was seen to use, beside what it asked for, as :func:`.usage_report.beside_asked`
        writes it; None if unknown.
    """

    replica: int
    session_id: str
    name: str
    status: str
    succeeded: bool
    try_number: int
    started: str | None = None
    result: str | None = None
    reason: str | None = None
    retryable: bool = True
    usage: Mapping[str, float | None] | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """The replicas of one try of a task, and what is known of them; carried from one wait to the next.

    :param launched: replica -> the session that stands for it in this try.
    :param outcomes: replica -> how it ended, within this epoch.
    :param ended: id -> the platform's status for an end that a wait has seen; lists may omit it by now.
    :param gone: ids that the platform no longer knows, for certain: several lists have omitted them and a
        direct read has answered 404. Being absent from a list alone proves nothing.
    :param discarded: ids of sessions of earlier tries that succeeded without the result that they owed.
    :param first_try: sessions of tries before this one do not count: the number of replicas was another, so
        each had another share of the work.
    :param folded: the replicas that earlier phases have settled, as far as the batch does not hold their
        launches and outcomes.
    """

    identity: Identity
    try_number: int
    replicas: int
    launched: Mapping[int, AssignedSession] = field(default_factory=dict)
    outcomes: Mapping[int, Outcome] = field(default_factory=dict)
    ended: Mapping[str, str] = field(default_factory=dict)
    gone: tuple[str, ...] = ()
    discarded: tuple[str, ...] = ()
    first_try: int = 0
    folded: Folded = UNFOLDED

    def name(self, replica: int) -> str:
        """Name a session that this try launches for the replica."""
        return str(self.identity.name(replica, self.try_number))

    def is_current(self, name: SessionName) -> bool:
        """Whether a session of this name may stand for a replica."""
        is_wanted = 1 <= name.replica <= self.replicas and name.try_number >= self.first_try
        return name.epoch == self.identity.epoch and is_wanted

    def assign(self, launches: Mapping[int, AssignedSession]) -> Self:
        """Remember which session stands for which replica."""
        return replace(self, launched={**self.launched, **launches})

    def with_observations(
        self, ended: Mapping[str, str], gone: Iterable[str], started: Collection[str] = ()
    ) -> Self:
        """Remember what a wait has seen."""
        ids = {*started}
        have_started = {
            replica: replace(launch, has_started=True)
            for replica, launch in self.launched.items()
            if launch.session_id in ids and not launch.has_started
        }
        all_gone = tuple(sorted({*self.gone, *gone}))
        return replace(
            self, launched={**self.launched, **have_started}, ended={**self.ended, **ended}, gone=all_gone
        )

    def with_start_times(self, started: Mapping[str, str]) -> Self:
        """Remember when sessions started.

        :param started: id -> the time.
        """
        launched = {
            replica: replace(launch, started=started[launch.session_id])
            for replica, launch in self.launched.items()
            if launch.session_id in started
        }
        return self.assign(launched)

    def record(self, outcomes: Iterable[Outcome]) -> Self:
        """Remember how replicas ended."""
        return replace(self, outcomes={**self.outcomes, **{one.replica: one for one in outcomes}})

    def record_outcome(self, seen: Outcome, read: Outcome) -> Self:
        """Remember how a replica ended.

        :param seen: by the platform's status alone.
        :param read: by its log as well. Where that turns a success into a failure, and the session is of an
            earlier try, the session does not count, and this try launches the replica again.
        """
        launch, name = self.launched.get(seen.replica), SessionName.parse(seen.name)
        is_ours = launch is not None and launch.session_id == seen.session_id
        is_earlier = not is_ours and name is not None and name.try_number != self.try_number
        if seen.succeeded and not read.succeeded and is_earlier:
            return replace(self, discarded=(*self.discarded, seen.session_id))
        return self.record([read])

    @property
    def since(self) -> float | None:
        """When the try's first session was launched or adopted, in seconds since the epoch."""
        if self.folded.since is not None:
            return self.folded.since
        return min((one.at for one in self.launched.values()), default=None)

    @property
    def kept(self) -> int:
        """How many replicas had succeeded before the try: none of its sessions stands for them."""
        new = self.outcomes.keys() - self.launched.keys()
        return self.folded.kept + sum(map(self.is_settled, new))

    @property
    def known(self) -> int:
        """How many launches and ends are known."""
        folded = self.folded
        earlier = 2 * (folded.succeeded + folded.failed) - folded.kept
        return earlier + len(self.launched) + len(self.outcomes)

    @property
    def succeeded_count(self) -> int:
        """How many replicas have succeeded."""
        return self.folded.succeeded + sum(one.succeeded for one in self.outcomes.values())

    @property
    def failed_count(self) -> int:
        """How many replicas have failed in this try."""
        return self.folded.failed + len(self.failed())

    def failed(self) -> list[Outcome]:
        """Return the failures of this try, in the replicas' order; of those that the batch holds."""
        return sorted(
            (one for one in self.outcomes.values() if self._counts(one) and not one.succeeded),
            key=lambda one: one.replica,
        )

    def _counts(self, outcome: Outcome) -> bool:
        """Whether it counts: a success for the whole epoch, a failure for the try that saw it."""
        return outcome.succeeded or outcome.try_number == self.try_number

    def unsettled(self) -> dict[int, AssignedSession]:
        """Return the sessions that have not ended, by replica."""
        return {replica: launch for replica, launch in self.launched.items() if not self.is_settled(replica)}

    def has_unlaunched(self) -> bool:
        """Whether replicas are still to be launched in this try."""
        return any(
            replica not in self.launched and not self.is_settled(replica)
            for replica in range(1, self.replicas + 1)
        )

    def is_settled(self, replica: int) -> bool:
        """Whether the replica needs no further session in this try."""
        outcome = self.outcomes.get(replica)
        is_held = outcome is not None and self._counts(outcome)
        return is_held or self.folded.state(replica) != ReplicaState.WAITING

    def settled(self, replica: int) -> Outcome | None:
        """Return the replica's outcome if it needs no further session in this try.

        Of one that is folded, it says only whether it has succeeded.
        """
        outcome = self.outcomes.get(replica)
        if outcome is not None and self._counts(outcome):
            return outcome
        state = self.folded.state(replica)
        if state == ReplicaState.WAITING:
            return None
        status = Status.COMPLETED if state == ReplicaState.SUCCEEDED else Status.FAILED
        return Outcome(replica, "-", "-", status, status.is_success, self.try_number)

    def to_json(self) -> dict[str, Any]:
        """Write down what does not grow with the number of replicas; the journal has the rest."""
        identity = self.identity
        return {
            "identity": [identity.stem, identity.key, identity.epoch, identity.result_key],
            "try_number": self.try_number,
            "replicas": self.replicas,
            "first_try": self.first_try,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read back what :meth:`to_json` wrote."""
        return cls(
            identity=Identity(*data["identity"]),
            try_number=data["try_number"],
            replicas=data["replicas"],
            first_try=data["first_try"],
        )
