"""What a task reports of its replicas: their logs, and why the task failed. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.errors import (
    SessionError,
    SessionFailed,
    SessionGone,
    SessionNeverStarted,
    SessionTimeout,
)
from airflow_provider_canfar.skaha.log_line import ErrorLine, WarningLine
from airflow_provider_canfar.skaha.statuses import GONE
from airflow_provider_canfar.task_sessions.log_text import clean_line, clean_lines, last_lines, shorten_line
from airflow_provider_canfar.task_sessions.replica_numbers import NUMBERED, numbers
from airflow_provider_canfar.task_sessions.usage_report import out_of_memory

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.models import Event
    from airflow_provider_canfar.task_sessions.batch import Batch, Outcome

#: How many of a failed replica's last lines go into the error.
TAIL_LINES = 10

#: The most bytes of one of them.
TAIL_LINE_BYTES = 1000

#: The most bytes of all of them.
TAIL_BYTES = 4000

_TRACEBACK = "Traceback (most recent call last):"
_NOT_INDENTED = re.compile(r"^\S.*$", re.MULTILINE)

#: How many failed replicas the error describes one by one.
DESCRIBED = 5

_ADVICE = (
    "Fix the cause. A retry runs only the failed replicas again; clearing the task runs all of them, unless "
    "on_clear is 'resume'."
)
_ADVICE_FOR_ONE = "Fix the cause. A retry runs it again, and so does clearing the task."


def tail(log: str, lines: int = TAIL_LINES) -> str:
    r"""Return the last lines of a log for an error message, without the blank ones at its end.

    If Python raised an exception before them, it comes first: a program's standard output is often buffered,
    and then follows what it wrote to its standard error. They have no colours and are at most
    :data:`TAIL_BYTES` long.

    >>> print(tail("Traceback (most recent call last):\n  ...\nKeyError: 'M13'\n1\n2\n3\n", 3))
    KeyError: 'M13'
    ...
    3
    """
    last: list[str] = []
    # From the end: the log may have megabytes, and only these lines are cleaned.
    for line in reversed(log.split("\n")):
        shown = quoted(line)
        if last or shown.strip():
            last.insert(0, shown)
        if len(last) == lines:
            break
    raised = _last_exception(log)
    if raised is not None and raised not in last and lines > 2:
        last = [raised, "...", *last[2:]]
    return "\n".join(last_lines(last, TAIL_BYTES))


def _last_exception(log: str) -> str | None:
    """Return the line that says what exception the last traceback of a log is of."""
    start = log.rfind(_TRACEBACK)
    # The first line after it that is not indented.
    found = _NOT_INDENTED.search(log, start + len(_TRACEBACK)) if start >= 0 else None
    return quoted(found.group()) if found else None


def quoted(line: str) -> str:
    """Return a line as an error message quotes it: without colours, and of a bounded length."""
    return shorten_line(clean_line(line, colours=False), TAIL_LINE_BYTES)


def log_lines(
    outcome: Outcome, log: str, fault: Exception | None = None, max_bytes: int | None = None
) -> Iterable[str]:
    """Lay out one replica's log as a group that Airflow's page folds.

    :param fault: why the platform did not return the log.
    :param max_bytes: keep this many bytes of its end; None for all of it.
    """
    yield f"::group::Log of replica {outcome.replica}: {outcome.name} {outcome.session_id} {outcome.status}"
    nothing = "(The platform no longer has this log.)" if outcome.status == GONE else "(no output)"
    missing = f"(The platform did not return this log: {fault})" if fault else nothing
    lines = "".join(f"{line}\n" for line in clean_lines(log) or clean_lines(missing))
    yield from shortened(lines, max_bytes).removesuffix("\n").split("\n")
    yield "::endgroup::"


def shortened(log: str, max_bytes: int | None) -> str:
    r"""Keep the end of a log, in complete lines where possible, and say what was cut.

    >>> print(shortened("one\ntwo\nthree\n", 10))
    (All but the last 10 bytes are omitted.)
    two
    three
    <BLANKLINE>
    """
    data = log.encode(errors="backslashreplace")
    if max_bytes is None or len(data) <= max_bytes:
        return log
    cut = len(data) - max_bytes
    line_end = data.find(b"\n", cut - 1)
    if 0 <= line_end < len(data) - 1:
        cut = line_end + 1
    # How many there are in all is not known: only the end of a large log is read.
    return f"(All but the last {len(data) - cut:,} bytes are omitted.)\n{data[cut:].decode(errors='replace')}"


def failure(
    batch: Batch,
    tails: Mapping[str, str],
    max_failed: int,
    events: Mapping[str, Sequence[Event]] = MappingProxyType({}),
) -> SessionError:
    """Say which replicas failed, with the last lines of each, or why it did not start.

    Where none of them started, and no other sessions would start either, a retry of the task cannot help.

    :param tails: session id -> the last lines of its log, as far as there is one.
    :param max_failed: how many may.
    :param events: session id -> its events, as far as they have been read.
    """
    failed = batch.failed()
    first = failed[0]
    kind: type[SessionError] = SessionFailed
    if all(outcome.status == GONE for outcome in failed):
        kind = SessionGone
    elif all(outcome.reason is not None for outcome in failed):
        kind = SessionNeverStarted
    error = kind(
        _failure_message(batch, failed, tails, max_failed),
        session_id=first.session_id,
        name=first.name,
        replica=first.replica,
        status=first.status,
        log_tail=tails.get(first.session_id, ""),
        events=tuple(events.get(first.session_id, ())),
    )
    error.retryable = any(outcome.retryable for outcome in failed)
    return error


def _failure_message(
    batch: Batch, failed: Sequence[Outcome], tails: Mapping[str, str], max_failed: int
) -> str:
    allowed = f" (max_failed_replicas is {max_failed})" if max_failed else ""
    parts = [f"{len(failed)} of {batch.replicas} replicas failed{allowed}."]
    for outcome in failed[:DESCRIBED]:
        if outcome.reason is not None:
            parts.append(never_started(outcome))
            continue
        parts.append(
            f"Replica {outcome.replica}, session {outcome.session_id} ({outcome.name}): {outcome.status}."
        )
        if (memory := out_of_memory(outcome)) is not None:
            parts.append(memory)
        if outcome.status == GONE:
            parts.append("The platform no longer has it: somebody deleted it, or it ended over an hour ago.")
            continue
        lines = tails.get(outcome.session_id)
        if lines is None:
            # It may have ended so long ago that the platform has forgotten it.
            parts.append("The platform no longer has its log; see above for what it showed earlier.")
        else:
            parts.append(f"Its last lines:\n{lines}" if lines else "It wrote no output.")
    if len(failed) > DESCRIBED:
        others = failed[DESCRIBED:]
        where = "their logs are" if all(outcome.reason is None for outcome in others) else "see"
        parts.append(f"Replicas {numbers(one.replica for one in others)} failed too; {where} above.")
    if all(outcome.status == GONE for outcome in failed):
        parts.append("How they ended is not known. A retry runs them again, and so does clearing the task.")
    elif any(outcome.reason is None for outcome in failed):
        parts.append(_ADVICE if batch.replicas > 1 else _ADVICE_FOR_ONE)
    return "\n".join(parts)


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


def never_started(outcome: Outcome) -> ErrorLine:
    """Say which replica does not start, why, and what to do, in one line."""
    named = f"Replica {outcome.replica}, session {outcome.session_id} ({outcome.name})"
    return ErrorLine(f"{named} did not start: {quoted(outcome.reason or '')}")


def timed_out(batch: Batch, *, destroys: bool) -> SessionTimeout:
    """Say which sessions had not ended when the time was over.

    :param destroys: whether they are destroyed now.
    """
    return SessionTimeout(
        f"The execution_timeout has passed and {len(batch.unsettled())} of {batch.replicas} replicas "
        f"had not ended; their sessions are {'destroyed' if destroys else 'left running'}: "
        f"{unsettled_ids(batch)}."
    )


def unsettled_ids(batch: Batch) -> str:
    """List the ids of the sessions that have not ended, for a message."""
    ids = [session.session_id for session in batch.unsettled().values()]
    more = f" and {len(ids) - NUMBERED:,} more" if len(ids) > NUMBERED else ""
    return f"{', '.join(ids[:NUMBERED])}{more}" if ids else "none"
