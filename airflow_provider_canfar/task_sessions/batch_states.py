"""A batch's replicas as one letter each, and a batch that has no more of those that are settled. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import compress
from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.statuses import GONE
from airflow_provider_canfar.task_sessions.folded import Folded
from airflow_provider_canfar.task_sessions.replica_states import ReplicaState

if TYPE_CHECKING:
    from airflow_provider_canfar.task_sessions.batch import Batch

_IS_WAITING = bytes(letter == ord(ReplicaState.WAITING) for letter in range(256))


def states_of(batch: Batch) -> str:
    """Write down the states of a task's replicas as its worker knows them.

    >>> from airflow_provider_canfar.skaha.naming import Identity
    >>> from airflow_provider_canfar.task_sessions.batch import AssignedSession, Batch, Outcome
    >>> won = Outcome(1, "k3v9x2qa", "hello-k3v5x2qamd-0-1-1", "Completed", True, 1)
    >>> known = Batch(Identity("hello", "k3v5x2qamd", 0), 1, 3, outcomes={1: won})
    >>> states_of(known.assign({2: AssignedSession("m0d4tt7z", "hello-k3v5x2qamd-0-2-1")}))
    'sp.'
    """
    return _letters_of(batch).decode()


def without_session(batch: Batch, listed: Iterable[int] = ()) -> list[int]:
    """Return the replicas that are not settled and have no session yet, in order.

    :param listed: replicas of which the platform lists a session.
    """
    letters = _letters_of(batch)
    for replica in listed:
        letters[replica - 1] = ord(ReplicaState.RUNNING)
    return [*compress(range(1, len(letters) + 1), letters.translate(_IS_WAITING))]


def _letters_of(batch: Batch) -> bytearray:
    letters = bytearray((batch.folded.states or ReplicaState.WAITING * batch.replicas).encode())
    # Only what is not folded: a task of ten thousand replicas is woken two thousand times.
    for replica in batch.launched.keys() | batch.outcomes.keys():
        letters[replica - 1] = ord(_state_of(batch, replica))
    return letters


def _state_of(batch: Batch, replica: int) -> ReplicaState:
    outcome, session = batch.settled(replica), batch.launched.get(replica)
    if outcome is not None:
        return ReplicaState.SUCCEEDED if outcome.succeeded else ReplicaState.FAILED
    if session is None:
        return ReplicaState.WAITING
    if session.session_id in batch.gone or session.session_id in batch.ended:
        return ReplicaState.of(batch.ended.get(session.session_id, GONE))
    return ReplicaState.RUNNING if session.has_started else ReplicaState.PENDING


def fold(batch: Batch) -> Batch:
    """Return a batch without what a wake does not decide by.

    >>> from airflow_provider_canfar.skaha.naming import Identity
    >>> from airflow_provider_canfar.task_sessions.batch import Batch, Outcome
    >>> won = Outcome(1, "k3v9x2qa", "hello-k3v5x2qamd-0-1-1", "Completed", True, 1)
    >>> fold(Batch(Identity("hello", "k3v5x2qamd", 0), 1, 3, outcomes={1: won})).folded.states
    's..'
    """
    launched, letters = batch.unsettled(), _letters_of(batch)
    ids = {one.session_id for one in launched.values()}
    for replica in launched:
        # An end that a wait has seen is not an outcome yet.
        letters[replica - 1] = ord(ReplicaState.WAITING)
    return replace(
        batch,
        launched=launched,
        outcomes={},
        ended={session_id: word for session_id, word in batch.ended.items() if session_id in ids},
        gone=tuple(session_id for session_id in batch.gone if session_id in ids),
        folded=Folded(letters.decode(), batch.since, batch.kept),
    )
