"""The state of each replica of a task as one letter, in order: small enough to carry and to draw. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from itertools import groupby

from airflow_provider_canfar.skaha.naming import SessionName
from airflow_provider_canfar.skaha.statuses import GONE, Status


class ReplicaState(StrEnum):
    """What is known of one replica, by the letter that stands for it."""

    #: It has no session yet.
    WAITING = "."
    #: Its session has not started.
    PENDING = "p"
    #: Its session runs; or is in a state that this release does not know, which is no end.
    RUNNING = "r"
    SUCCEEDED = "s"
    FAILED = "f"

    @classmethod
    def of(cls, status: str | None) -> ReplicaState:
        """Return the state of a replica whose session has a status, in the platform's word.

        >>> ReplicaState.of("Completed").name, ReplicaState.of("Gone").name, ReplicaState.of(None).name
        ('SUCCEEDED', 'FAILED', 'PENDING')
        """
        known = Status.of(status)
        if known.is_success:
            return cls.SUCCEEDED
        if known.is_final or status == GONE:
            return cls.FAILED
        return cls.PENDING if status is None or known is Status.PENDING else cls.RUNNING


def run_lengths(letters: str) -> str:
    """Write a letter that repeats once, after its number: thousands of replicas in a row have the same.

    >>> run_lengths("ssfrrrp.")
    '2sf3rp.'
    """
    runs = ((letter, len([*run])) for letter, run in groupby(letters))
    return "".join(f"{count}{letter}" if count > 1 else letter for letter, count in runs)


_LETTERS = tuple((state, ord(state)) for state in ReplicaState)
_SUCCEEDED, _FAILED = ord(ReplicaState.SUCCEEDED), ord(ReplicaState.FAILED)


class ReplicaStates:
    """The states of all replicas, as far as a wait has seen them.

    A change counts itself: a thousand waiting tasks have up to ten thousand replicas each.

    :param letters: one letter for each replica, in order.
    """

    def __init__(self, letters: str) -> None:
        self._letters = bytearray(letters.encode("ascii", "replace"))
        self._counts = {letter: self._letters.count(letter) for _, letter in _LETTERS}

    def __str__(self) -> str:
        return self._letters.decode()

    def __len__(self) -> int:
        return len(self._letters)

    def set(self, name: str, state: ReplicaState) -> None:
        """Note the state of the replica that a session, by its name, stands for."""
        parsed = SessionName.parse(name)
        if parsed is not None and 0 < parsed.replica <= len(self._letters):
            index, letter = parsed.replica - 1, ord(state)
            before, self._letters[index] = self._letters[index], letter
            if before in self._counts:
                self._counts[before] -= 1
            self._counts[letter] += 1

    def counts(self) -> Mapping[ReplicaState, int]:
        """Return how many replicas are in each state."""
        return {state: self._counts[letter] for state, letter in _LETTERS}

    @property
    def ended(self) -> int:
        """How many replicas have ended, those that have failed among them."""
        return self._counts[_SUCCEEDED] + self._counts[_FAILED]
