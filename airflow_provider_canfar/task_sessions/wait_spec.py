"""What a wait is for, and what it tells the worker: the two messages between a worker and a trigger. Pure.

Both are JSON in Airflow's database, and hold no secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any, Self

from airflow_provider_canfar.skaha.polling.usage import Usage
from airflow_provider_canfar.task_sessions.packed import (
    by_key,
    by_value,
    pack,
    pack_sessions,
    unpack,
    unpack_sessions,
)
from airflow_provider_canfar.task_sessions.start_problem import StartFailure

#: An end is recorded within this many seconds by default: the platform forgets a finished session, and its
#: log, one hour after its end (ttlSecondsAfterFinished in launch-headless.yaml).
RECORD_WITHIN = 1200.0

#: How many logs of running sessions a task shows at once by default.
MAX_LOGGED_REPLICAS = 3

#: The fields of a WakeEvent that hold ids; JSON has no tuples.
_SEVERAL = ("gone", "started", "permanent")

#: Those that say the same of many sessions.
_GROUPED = ("ended", "never_started")


class WakeReason(StrEnum):
    """Why the worker is woken."""

    ENDED = "all sessions have ended"
    SLOTS = "slots are free for more replicas"
    RETRY = "it is time to launch more replicas"
    FAILURES = "more replicas have failed than max_failed_replicas allows"
    RECORD = "the platform is about to forget sessions that have ended"
    DUPLICATE = "an unexpected session of this task is alive"
    DEADLINE = "the deadline has passed"
    NEVER_STARTED = "a session does not start"
    REFUSED = "the platform refuses the credential"
    OPEN = "the session can be opened"
    KEPT = "the session has been kept alive for as long as was asked"

    @classmethod
    def _missing_(cls, value: object) -> WakeReason | None:
        # In version 0.1's words.
        return cls.RETRY if value == "it is time to launch again what a busy platform did not take" else None


@dataclass(frozen=True, slots=True)
class WaitSpec:
    """What a wait is for.

    :param key: the key in the names of the task's own sessions.
    :param sessions: id -> name of those that had not ended when the wait began.
    :param slots_to_free: how many ends make it worth waking the worker to launch more; None: nothing is
        queued.
    :param retry_at: when to launch again what a busy platform did not take; seconds since the epoch.
    :param failures_left: how many more may fail before the worker is woken; None: let all end first.
    :param deadline: seconds since the epoch; None: no deadline.
    :param start_by: id -> seconds since the epoch at which the session must have started; sessions that have
        started once are left out.
    :param logging_interval: seconds between two reads of the log of a running session; None not to follow
        logs.
    :param max_logged_replicas: how many logs are followed at once.
    :param max_log_bytes: how much of each log is shown while its session runs; None: all of it.
    :param since: when the wait began, in seconds since the epoch. The first list that a restarted triggerer
        sees may show an end as old as that.
    :param record_within: seconds within which an end is recorded, before the platform forgets it.
    :param progress: how far the task was when the wait began, as :meth:`.progress.Progress.to_json` writes
        it.
    """

    key: str
    sessions: Mapping[str, str]
    slots_to_free: int | None = None
    retry_at: float | None = None
    failures_left: int | None = None
    deadline: float | None = None
    start_by: Mapping[str, float] = field(default_factory=dict)
    logging_interval: float | None = None
    max_logged_replicas: int = MAX_LOGGED_REPLICAS
    max_log_bytes: int | None = None
    since: float | None = None
    record_within: float = RECORD_WITHIN
    progress: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Write it as a trigger's argument, small enough for MySQL's TEXT of 64 kB."""
        data = asdict(self)
        more = {one: at for one, at in data.pop("start_by").items() if one not in self.sessions}
        return data | {"sessions": pack_sessions(self.sessions, self.start_by), "start_by": more}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read it back; arguments that another release wrote and this one does not know are ignored."""
        # The slots of a subclass are only its own.
        known = {one.name: data[one.name] for one in fields(cls) if one.name in data}
        sessions, start_by = _sessions_of(data)
        return cls(**known | {"sessions": sessions, "start_by": {**data.get("start_by", {}), **start_by}})


def session_ids(data: Mapping[str, Any] | None) -> list[str]:
    """Return the ids of the sessions in a trigger's argument; none where there is none."""
    return [*_sessions_of(data or {})[0]]


def _sessions_of(data: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, float]]:
    """Return the names of the sessions by id, and when they must have started."""
    return unpack_sessions(data["sessions"]) if "sessions" in data else ({}, {})


@dataclass(frozen=True, slots=True)
class WakeEvent:
    """What a wait tells the worker: a reason, and the ends that it has seen.

    The platform may have forgotten them by the time that a worker is free.

    :param ended: id -> the platform's word for how the session ended.
    :param gone: ids that the platform no longer knows.
    :param never_started: id -> why the session does not start.
    :param message: what the platform said, where it refuses the credential.
    :param started: ids that have started, of those that must have in time.
    :param permanent: ids, of those that do not start, of which no other session would start either.
    :param usage: id -> what a session that has ended has used, as far as lists have shown it.
    :param first_end: when the first of these may have ended, in seconds since the epoch; None if none has.
    """

    reason: WakeReason
    ended: Mapping[str, str] = field(default_factory=dict)
    gone: tuple[str, ...] = ()
    never_started: Mapping[str, str] = field(default_factory=dict)
    message: str = ""
    started: tuple[str, ...] = ()
    permanent: tuple[str, ...] = ()
    first_end: float | None = None
    usage: Mapping[str, Usage] = field(default_factory=dict)

    @property
    def start_failures(self) -> dict[str, StartFailure]:
        """Return which sessions do not start, by id."""
        return {
            session_id: StartFailure(reason, retryable=session_id not in self.permanent)
            for session_id, reason in self.never_started.items()
        }

    def to_json(self) -> dict[str, Any]:
        """Write it as a trigger's event: thousands of sessions may end with the same word."""
        several = {name: list(getattr(self, name)) for name in _SEVERAL}
        usage = pack(self.usage) if self.usage else ""
        grouped = {name: by_value(getattr(self, name)) for name in _GROUPED}
        return asdict(self) | several | grouped | {"reason": self.reason.value, "usage": usage}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read a trigger's event back; what another release wrote may lack a field, or have more."""
        known = {name: value for name, value in data.items() if name in cls.__slots__}
        several = {name: tuple(data.get(name, ())) for name in _SEVERAL}
        packed = data.get("usage")
        usage = {session_id: Usage(*one) for session_id, one in (unpack(packed) if packed else {}).items()}
        grouped = {name: by_key(data.get(name, {})) for name in _GROUPED}
        return cls(**known | several | grouped | {"reason": WakeReason(data["reason"]), "usage": usage})
