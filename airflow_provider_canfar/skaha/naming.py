"""The session names that a task uses, and how to parse them.

A create has no idempotency key, its response may be lost, and the platform's names are not unique. So a
session's name contains everything needed to find it again and to know which task it belongs to::

    find-stars-k3v5x2qamd-0-7-2
    └─ stem ─┘ └─ key ──┘ │ │ └ try: Airflow's try number when the session was launched
                          │ └ replica: 1 to N
                          └ epoch: changes when the task is cleared, and at no other time

The *stem* is for people; identity is the *key*, a hash of the task instance. Names are lower case
and stay below the 63 characters that a Kubernetes host name may have (the server truncates its label, but
not the host name: SessionJobBuilder). A stem may begin with a digit, as ``3c273`` does: with the key behind
it, no YAML reads it as a number.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self

from airflow_provider_canfar.skaha import validation

#: The longest stem. The rest of a name takes at most 33 characters, so that a whole name has at most 63.
STEM_LENGTH = 30

#: 10 characters of base 32 are 50 bits: a million task instances collide with a chance of one in 2,000.
KEY_LENGTH = 10

#: What a key has behind that where a task executes several operators: enough to tell a task's own work apart.
WORK_LENGTH = 4

# No leading zeros: each name is then built in exactly one way.
_NUMBER = r"(0|[1-9][0-9]{0,4})"
_NAME = re.compile(
    rf"(?P<stem>[a-z0-9](?:[a-z0-9-]{{0,{STEM_LENGTH - 2}}}[a-z0-9])?)"
    rf"-(?P<key>[a-z2-7]{{{KEY_LENGTH}}}(?:[a-z2-7]{{{WORK_LENGTH}}})?)"
    rf"-(?P<epoch>{_NUMBER})-(?P<replica>{_NUMBER})-(?P<try_number>{_NUMBER})"
)


@dataclass(frozen=True, slots=True)
class Identity:
    """A task instance, as the names of its sessions identify it.

    :param stem: the part for people, from :func:`stem_of`.
    :param key: the hash of the task instance, from :func:`key_of`.
    :param epoch: how often the task has been cleared, as a number that never repeats.
    :param result_key: what the nonces of its functions' results are made with, which no name contains.
    """

    stem: str
    key: str
    epoch: int
    result_key: str = field(default="", repr=False)

    def name(self, replica: int, try_number: int) -> SessionName:
        """Name the session of one replica, launched in the given try."""
        return SessionName(self.stem, self.key, self.epoch, replica, try_number)

    def owns(self, name: SessionName | None) -> bool:
        """Whether a session of this name belongs to this task instance, in any epoch."""
        return name is not None and name.key == self.key


@dataclass(frozen=True, slots=True)
class SessionName:
    """A name that this provider gave, in its parts. ``str()`` is the name itself.

    >>> str(SessionName("find-stars", "k3v5x2qamd", 0, 7, 2))
    'find-stars-k3v5x2qamd-0-7-2'
    >>> SessionName.parse("find-stars-k3v5x2qamd-0-7-2").replica
    7
    >>> SessionName.parse("my-notebook") is None
    True
    """

    stem: str
    key: str
    epoch: int
    replica: int
    try_number: int

    @property
    def task_key(self) -> str:
        """The part of the key that all work of a task instance has in common."""
        return self.key[:KEY_LENGTH]

    def __str__(self) -> str:
        return f"{self.stem}-{self.key}-{self.epoch}-{self.replica}-{self.try_number}"

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """Parse a session's name; None for a name that this provider did not give."""
        match = _NAME.fullmatch(name)
        if match is None:
            return None
        return cls(
            stem=match["stem"],
            key=match["key"],
            epoch=int(match["epoch"]),
            replica=int(match["replica"]),
            try_number=int(match["try_number"]),
        )


def stem_of(name: str | None, task_id: str) -> str:
    """Return the stem: the author's name as it is, or a readable slug of the task's id.

    :param name: the author's ``name``; letters, digits and ``-``, which is the platform's own rule.
    :param task_id: the fallback; any character outside that rule becomes a ``-``.
    :raises SpecError: for a name that the platform would reject.

    >>> stem_of(None, "group.find_stars")
    'group-find-stars'
    """
    stem = validation.slug(task_id, "task") if name is None else validation.session_name(name)
    return stem[:STEM_LENGTH].rstrip("-")


def epoch_of(max_tries: int, retries: int) -> int:
    """Return how often a task instance has been cleared, as a number that never repeats.

    Airflow sets ``max_tries`` to the retries at first, and adds the tries so far at each clear; the
    difference stays the same over retries. (The run's own clear number also changes when another task of the
    run is cleared.) It is never below zero, even if the author has raised the retries since.
    """
    return max(0, max_tries - retries)


def key_of(
    *,
    dag_id: str,
    task_id: str,
    run_id: str,
    map_index: int,
    run_started: datetime | None,
    work: str | None = None,
) -> str:
    """Hash a task instance into the key of its sessions' names.

    The run's start is part of it because two Airflow deployments that share an account may well have the
    same DAG with the same run id; they hardly start it in the same microsecond.

    :param work: which work of the task instance, where it executes several operators; it makes the key
        longer.
    """
    key = _base32(_instance(dag_id, task_id, run_id, map_index, run_started))[:KEY_LENGTH]
    return key if work is None else key + _base32(work)[:WORK_LENGTH]


def result_key_of(
    *, dag_id: str, task_id: str, run_id: str, map_index: int, run_started: datetime | None
) -> str:
    """Derive a ``result_key`` that every try of a task instance can derive again, where nothing is stored.

    A session does not know it, unless its author hands it all of this, the run's start to the microsecond.
    """
    text = f"result {_instance(dag_id, task_id, run_id, map_index, run_started)}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _instance(dag_id: str, task_id: str, run_id: str, map_index: int, run_started: datetime | None) -> str:
    started = run_started.astimezone(UTC).isoformat() if run_started else None
    return json.dumps([dag_id, task_id, run_id, map_index, started])


def _base32(text: str) -> str:
    return base64.b32encode(hashlib.sha256(text.encode()).digest()).decode().lower()
