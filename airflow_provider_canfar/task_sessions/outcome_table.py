"""The table at the end of a task: how each replica ended. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.naming import SessionName
from airflow_provider_canfar.task_sessions.replica_numbers import numbers
from airflow_provider_canfar.task_sessions.session_xcoms import SHOWN, has_every_session
from airflow_provider_canfar.task_sessions.usage_report import used_of

if TYPE_CHECKING:
    from airflow_provider_canfar.task_sessions.batch import Batch, Outcome

#: How many rows it has at most.
ROWS = 50

#: How many ranges of replicas a line below it lists.
MOST_RANGES = 1000


def table(batch: Batch, others: str = "destroyed") -> str:
    """Lay out how each replica ended: at most :data:`ROWS` of them, failed ones first, and where the rest is.

    Those that an earlier try left done come last. What they have used has columns of its own, where that is
    known of any.

    :param others: what became of sessions that have not ended by themselves.

    >>> from airflow_provider_canfar.task_sessions.batch import Batch, Outcome
    >>> from airflow_provider_canfar.skaha.naming import Identity
    >>> won = Outcome(1, "k3v9x2qa", "hello-k3v5x2qamd-0-1-1", "Completed", True, 1)
    >>> print(table(Batch(Identity("hello", "k3v5x2qamd", 0), 1, 2, outcomes={1: won})))
    How each replica ended:
    replica  session   status     try  started  name
          1  k3v9x2qa  Completed    1  -        hello-k3v5x2qamd-0-1-1
          2  -         not run      -  -        -
    """
    replicas = range(1, batch.replicas + 1)
    shown: Sequence[int] = replicas
    if len(replicas) > ROWS:
        shown = sorted(replicas, key=lambda replica: (_urgency(batch, replica), replica))[:ROWS]
    head = ("replica", "session", "status", "try", "started", "cores used", "GB used", "name")
    rows: list[tuple[str, ...]] = [head]
    rows += [_row(batch, replica, others) for replica in shown]
    sides = "><<><<<<"
    if not any(one.usage for one in batch.outcomes.values()):
        rows, sides = [(*row[:5], row[7]) for row in rows], "><<><<"
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["How each replica ended:"]  # Airflow writes the time in front of the first line only.
    lines += ["  ".join(map(_aligned, row, widths, sides)).rstrip() for row in rows]
    if len(shown) < len(replicas):
        lines += _rest(batch, others, len(replicas) - len(shown))
    return "\n".join(lines)


def _row(batch: Batch, replica: int, others: str) -> tuple[str, ...]:
    outcome, launch = batch.settled(replica), batch.launched.get(replica)
    if outcome is not None:
        ended = (outcome.status, str(outcome.try_number), _time(outcome.started))
        used = used_of(outcome, "cores"), used_of(outcome, "ram")
        return (str(replica), outcome.session_id, *ended, *used, outcome.name)
    if launch is not None:
        ended = (others, str(batch.try_number), _time(launch.started))
        return (str(replica), launch.session_id, *ended, "-", "-", launch.name)
    return (str(replica), "-", "not run", *"-----")


def _urgency(batch: Batch, replica: int) -> int:
    """Return 0 for a replica that has failed, 2 for one that has succeeded, 3 in an earlier try; else 1."""
    outcome = batch.settled(replica)
    if outcome is None:
        return 1
    return 2 + _is_kept(batch, outcome) if outcome.succeeded else 0


def _is_kept(batch: Batch, outcome: Outcome) -> bool:
    """Whether an outcome is of a session that an earlier try has launched."""
    name = SessionName.parse(outcome.name)
    return name is not None and name.try_number < batch.try_number


def _rest(batch: Batch, others: str, left_out: int) -> Iterable[str]:
    """Say how the replicas ended, in a few lines, and where the rows are that the table leaves out.

    The page of the sessions (plugin/static/task_log.js) reads these lines, too.
    """
    if has_every_session(batch):
        elsewhere = "the task's XCom `sessions` and its tab Sessions have all"
    else:
        elsewhere = (
            "the task's tab Sessions shows every replica, what it returns has every session, and its XCom "
            f"`sessions` has {SHOWN}"
        )
    yield f"{left_out:,} more rows are left out: {elsewhere}."
    groups: dict[str, list[int]] = {}
    for replica in range(1, batch.replicas + 1):
        outcome = batch.settled(replica)
        if outcome is not None:
            word = "succeeded" if outcome.succeeded else "failed"
        else:
            word = others if replica in batch.launched else "not run"
        groups.setdefault(word, []).append(replica)
        if outcome is not None and _is_kept(batch, outcome):
            groups.setdefault("kept of an earlier try", []).append(replica)
    for word, several in groups.items():
        yield f"{len(several):,} {word}: {numbers(several, MOST_RANGES)}"


def _aligned(word: str, width: int, how: str) -> str:
    return f"{word:{how}{width}}"


def _time(time: str | None) -> str:
    """Write a time as people read it; all of the platform's are in UTC.

    >>> _time("2026-03-04T18:22:10+00:00"), _time(None)
    ('2026-03-04 18:22:10', '-')
    """
    return "-" if time is None else time[:19].replace("T", " ")
