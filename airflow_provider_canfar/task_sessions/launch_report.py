"""What a task's log says when its sessions are launched, adopted and destroyed: a line for all. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.log_line import WarningLine
from airflow_provider_canfar.skaha.naming import SessionName
from airflow_provider_canfar.task_sessions.failure_report import DESCRIBED
from airflow_provider_canfar.task_sessions.replica_numbers import numbers

if TYPE_CHECKING:
    from airflow_provider_canfar.task_sessions.batch import Batch, Outcome

#: How many sessions are listed by their ids.
IDS_LISTED = 10


def launched(names: Mapping[str, str], kept: int = 0) -> str:
    """Say how many sessions have been launched.

    >>> launched({"k3v9x2qa": "stars-1", "m0d4tt7z": "stars-2"}, kept=1)
    'Launched 2 sessions (kept 1 of an earlier try).'

    :param names: id -> name.
    :param kept: how many replicas had succeeded before.
    """
    note = f" (kept {kept:,} of an earlier try)" if kept else ""
    return f"Launched {_sessions(names)}{note}."


def adopted(names: Mapping[str, str]) -> str:
    """Say which live sessions stand for replicas from now on; another phase has launched them.

    >>> adopted({"k3v9x2qa": "stars-1"})
    'Adopted session k3v9x2qa (stars-1), which is alive.'
    """
    return f"Adopted {_sessions(names)}, which {'is' if len(names) == 1 else 'are'} alive."


def destroyed(names: Mapping[str, str]) -> str:
    """Say which sessions have been destroyed.

    >>> destroyed({"k3v9x2qa": "stars-1", "m0d4tt7z": "stars-2"})
    'Destroyed 2 sessions: k3v9x2qa, m0d4tt7z.'
    """
    if len(names) == 1:
        return f"Destroyed {_sessions(names)}."
    more = f" and {len(names) - IDS_LISTED:,} more" if len(names) > IDS_LISTED else ""
    return f"Destroyed {_sessions(names)}: {', '.join([*names][:IDS_LISTED])}{more}."


def not_destroyed(names: Iterable[str], error: Exception) -> WarningLine:
    """Say that the platform would not destroy sessions."""
    return WarningLine(f"Could not destroy {', '.join(names)}: {error}")


def not_confirmed(session_id: str, name: str) -> WarningLine:
    """Say that a session may be alive."""
    return WarningLine(f"Session {session_id} ({name}): delete was requested but not confirmed.")


def _sessions(names: Mapping[str, str]) -> str:
    if len(names) == 1:
        ((session_id, name),) = names.items()
        return f"session {session_id} ({name})"
    return f"{len(names):,} sessions"


def retry_lines(
    batch: Batch, launch: Collection[int], failures: Sequence[Outcome], tails: Mapping[str, str]
) -> Iterator[str]:
    """Say what a retry keeps, what it launches, and why the earlier sessions had failed.

    :param launch: the replicas to launch.
    :param failures: how earlier sessions of these replicas failed, as far as the platform still knows.
    :param tails: session id -> the last lines of its log, as far as there is one.
    """
    kept, adopted = batch.succeeded_count, len(batch.unsettled())
    later = batch.replicas - kept - adopted - len(launch)
    steps = [f"keeps {kept:,} of {batch.replicas:,} replicas"] if kept else []
    steps += [f"adopts {adopted:,}"] if adopted else []
    steps += [f"launches {'replica' if len(launch) == 1 else 'replicas'} {numbers(launch)}"]
    steps += [f"the other {later:,} later"] if later else []
    *first, last = steps
    joined = " and ".join(steps) if len(steps) < 3 else f"{', '.join(first)}, and {last}"
    yield f"Try {batch.try_number} {joined}."
    for failure in failures[:DESCRIBED]:
        name = SessionName.parse(failure.name)
        when = f"in try {name.try_number}" if name else "before"
        last = tails.get(failure.session_id, "").rpartition("\n")[2]
        wrote = f" Its last line: {last}" if last else ""
        session = f"session {failure.session_id}"
        yield f"Replica {failure.replica} failed {when}, {session}: {failure.status}.{wrote}"
    if len(failures) > DESCRIBED:
        yield f"Replicas {numbers(one.replica for one in failures[DESCRIBED:])} failed, too."
    unknown = {*launch} - {one.replica for one in failures}
    if unknown:
        which = f"{'replica' if len(unknown) == 1 else 'replicas'} {numbers(unknown)}"
        yield f"No earlier session of {which} is listed; the logs of earlier tries tell if there was one."
