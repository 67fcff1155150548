"""Why a task failed: which of its replicas did, and what is known of each. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_canfar.skaha.errors import (
    SessionError,
    SessionFailed,
    SessionGone,
    SessionNeverStarted,
    SessionTimeout,
)
from airflow_provider_canfar.skaha.log_line import ErrorLine, WarningLine
from airflow_provider_canfar.skaha.statuses import GONE, Status
from airflow_provider_canfar.task_sessions.log_report import quoted
from airflow_provider_canfar.task_sessions.replica_numbers import NUMBERED, numbers
from airflow_provider_canfar.task_sessions.usage_report import out_of_memory

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.models import Event
    from airflow_provider_canfar.task_sessions.batch import AssignedSession, Batch, Outcome
    from airflow_provider_canfar.task_sessions.run_options import RunOptions

#: How many failed replicas the error describes, those that failed alike as one.
DESCRIBED = 5

#: How the container runtime says that it cannot find the first word of the command.
_NOT_IN_IMAGE = re.compile(r'exec: "([^"]+)": (?:executable file not found|(?:stat \S+: )?no such file)')

_ADVICE = "Fix the cause. A retry runs only what has not succeeded; clearing the task runs all of it."
_ADVICE_TO_RESUME = "Fix the cause. A retry runs only what has not succeeded, and so does clearing the task."
_ADVICE_FOR_ONE = "Fix the cause. A retry runs it again, and so does clearing the task."


def failure(
    batch: Batch,
    tails: Mapping[str, str],
    max_failed: int,
    events: Mapping[str, Sequence[Event]] = MappingProxyType({}),
    *,
    resumes: bool = False,
) -> SessionError:
    """Say which replicas failed, with the last lines of each, or why it did not start.

    Where none of them started, and no other sessions would start either, a retry of the task cannot help.

    :param tails: session id -> the last lines of its log, as far as there is one.
    :param max_failed: how many may.
    :param events: session id -> its events, as far as they have been read.
    :param resumes: whether clearing the task keeps what has succeeded.
    """
    failed = batch.failed()
    first = failed[0]
    kind: type[SessionError] = SessionFailed
    if all(outcome.status == GONE for outcome in failed):
        kind = SessionGone
    elif all(outcome.reason is not None for outcome in failed):
        kind = SessionNeverStarted
    allowed = f" (max_failed_replicas is {max_failed})" if max_failed else ""
    parts = [f"{len(failed)} of {batch.replicas} replicas failed{allowed}.", *_described(failed, tails)]
    if kind is SessionGone:
        parts.append("How they ended is not known. A retry runs them again, and so does clearing the task.")
    elif kind is SessionFailed:
        several = _ADVICE_TO_RESUME if resumes else _ADVICE
        parts.append(several if batch.replicas > 1 else _ADVICE_FOR_ONE)
    error = kind(
        "\n".join(parts),
        session_id=first.session_id,
        name=first.name,
        replica=first.replica,
        status=first.status,
        log_tail=tails.get(first.session_id, ""),
        events=tuple(events.get(first.session_id, ())),
    )
    error.retryable = any(outcome.retryable for outcome in failed)
    return error


class _Cause(NamedTuple):
    """What failed replicas have in common."""

    status: str
    reason: str | None
    memory: str | None
    last_lines: str | None


def _described(failed: Sequence[Outcome], tails: Mapping[str, str]) -> Iterator[str]:
    """Describe each failure, those that are alike together, and say where the others are."""
    groups: dict[_Cause, list[Outcome]] = {}
    others: list[Outcome] = []
    for position, one in enumerate(failed):
        cause = _Cause(one.status, one.reason, out_of_memory(one), tails.get(one.session_id))
        # Of those behind the first, the last lines are here only if this phase has read them.
        has_log = one.reason is None and one.status != GONE
        is_known = position < DESCRIBED or not has_log or cause.last_lines is not None
        if is_known and (cause in groups or len(groups) < DESCRIBED):
            groups.setdefault(cause, []).append(one)
        else:
            others.append(one)
    for cause, several in groups.items():
        yield from _failed_alike(cause, several)
    if others:
        have_logs = all(one.reason is None and one.status != GONE for one in others)
        where = "their logs are" if have_logs else "see"
        yield f"{_named(one.replica for one in others)} failed too; {where} above."


def _failed_alike(cause: _Cause, several: Sequence[Outcome]) -> Iterator[str]:
    """Describe what has failed for one cause."""
    if cause.reason is not None:
        yield from never_started(several)
        return
    is_one = len(several) == 1
    yield f"{_with_session(several)}: {cause.status}."
    if cause.memory is not None:
        yield cause.memory
    if cause.status == GONE and is_one:
        yield "The platform no longer has it: somebody deleted it, or it ended over an hour ago."
    elif cause.status == GONE:
        yield "The platform no longer has them: somebody deleted them, or they ended over an hour ago."
    elif cause.last_lines is None:
        # It may have ended so long ago that the platform has forgotten it.
        log = "its log; see above for what it" if is_one else "their logs; see above for what they"
        yield f"The platform no longer has {log} showed earlier."
    elif cause.last_lines:
        yield f"{'Its' if is_one else 'Their'} last lines:\n{cause.last_lines}"
        if (program := _NOT_IN_IMAGE.search(cause.last_lines)) is not None:
            yield f"The image has no program {program[1]!r}: check the command."
    else:
        yield "It wrote no output." if is_one else "They wrote no output."


def never_started(outcomes: Iterable[Outcome]) -> Iterator[ErrorLine]:
    """Say which replicas did not start, why, and what to do: a line for each reason.

    The page of the sessions (plugin/static/task_log.js) reads these lines, too.
    """
    by_reason: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_reason.setdefault(quoted(outcome.reason or ""), []).append(outcome)
    for reason, several in by_reason.items():
        yield ErrorLine(f"{_with_session(several)} did not start: {reason}")


def _with_session(several: Sequence[Outcome]) -> str:
    """Name replicas, and the session of a single one."""
    if len(several) > 1:
        return _named(one.replica for one in several)
    (one,) = several
    return f"Replica {one.replica}, session {one.session_id} ({one.name})"


def _named(replicas: Iterable[int]) -> str:
    """Name replicas by their numbers, at the beginning of a sentence."""
    listed = [*replicas]
    return f"{'Replica' if len(listed) == 1 else 'Replicas'} {numbers(listed)}"


def allowed_failures(batch: Batch, max_failed: int) -> WarningLine:
    """Say which replicas failed in a task that succeeds all the same.

    :param max_failed: how many may.
    """
    failed = [outcome.replica for outcome in batch.failed()]
    which = "replica" if len(failed) == 1 else "replicas"
    return WarningLine(
        f"{len(failed):,} of {batch.replicas:,} replicas failed, which max_failed_replicas={max_failed} "
        f"allows: {which} {numbers(failed)}."
    )


def timed_out(batch: Batch, tails: Mapping[str, str], options: RunOptions) -> SessionTimeout:
    """Say which replicas had not ended when the time was over, with the last lines of some, and which failed.

    :param tails: session id -> the last lines of its log, as far as there is one.
    :param options: how long the task may take, and whether its sessions are destroyed then.
    """
    destroys, left = options.destroy_on_kill, batch.unsettled()
    unlaunched = [
        replica
        for replica in range(1, batch.replicas + 1)
        if replica not in left and not batch.is_settled(replica)
    ]
    over = f"{execution_timeout(options.execution_timeout)} has passed"
    parts = [f"{over}, and {len(left) + len(unlaunched)} of {batch.replicas} replicas had not ended."]
    if left:
        whose = "its session is" if len(left) == 1 else "their sessions are"
        parts.append(f"{_named(left)}: {whose} {'destroyed' if destroys else 'left running'}.")
    if unlaunched:
        parts.append(f"{_named(unlaunched)}: not launched yet.")
    parts += _last_lines(left, tails)
    if failed := batch.failed():
        parts += [f"Failed before that: {len(failed)} of {batch.replicas}.", *_described(failed, tails)]
    parts.append(
        "Raise execution_timeout, or give each replica less to do. A retry "
        f"{'runs again' if destroys else 'adopts'} what had not ended."
    )
    return SessionTimeout("\n".join(parts), **first_left(batch, tails))


def first_left(batch: Batch, tails: Mapping[str, str]) -> dict[str, Any]:
    """Return the attributes of an error about the first session that had not ended; empty if there is none.

    Its status is as far as it is known: a batch knows only whether a session has started.

    :param tails: session id -> the last lines of its log, as far as there is one.
    """
    for replica, session in sorted(batch.unsettled().items()):
        has_started = session.has_started or session.started is not None
        return {
            "session_id": session.session_id,
            "name": session.name,
            "replica": replica,
            "status": str(Status.RUNNING if has_started else Status.PENDING),
            "log_tail": tails.get(session.session_id, ""),
        }
    return {}


def execution_timeout(timeout: timedelta | None) -> str:
    """Name the limit at the beginning of a sentence.

    >>> execution_timeout(timedelta(hours=1)), execution_timeout(None)
    ('The execution_timeout of 1:00:00', 'The execution_timeout')
    """
    return "The execution_timeout" if timeout is None else f"The execution_timeout of {timeout}"


def _last_lines(left: Mapping[int, AssignedSession], tails: Mapping[str, str]) -> Iterator[str]:
    """Show the last lines of sessions that had not ended, as far as they have been read."""
    for replica, session in left.items():
        lines = tails.get(session.session_id)
        if lines is not None:
            yield f"Replica {replica}, session {session.session_id} ({session.name}):"
            yield f"Its last lines:\n{lines}" if lines else "It had written no output."


def unsettled_ids(batch: Batch) -> str:
    """List the ids of the sessions that have not ended, for a message."""
    ids = [session.session_id for session in batch.unsettled().values()]
    more = f" and {len(ids) - NUMBERED:,} more" if len(ids) > NUMBERED else ""
    return f"{', '.join(ids[:NUMBERED])}{more}" if ids else "none"
