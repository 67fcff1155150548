"""What a task tells about its replicas: a table, each one's log, and why the task failed. Pure text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_canfar.batch import Batch, Outcome

#: How many of a failed replica's last lines go into the error.
TAIL_LINES = 10

#: How many failed replicas the error describes one by one; the table in the log has them all.
DESCRIBED = 5


def tail(log: str, lines: int = TAIL_LINES) -> str:
    """Return the last lines of a log, without the blank ones at its end."""
    return "\n".join(log.rstrip().splitlines()[-lines:])


def table(batch: Batch) -> str:
    """Lay out how each replica ended.

    >>> from airflow_provider_canfar.batch import Batch, Outcome
    >>> from airflow_provider_canfar.skaha.naming import Identity
    >>> won = Outcome(1, "k3v9x2qa", "hello-k3v5x2qamd-0-1-1", "Completed", True, 1)
    >>> print(table(Batch(Identity("hello", "k3v5x2qamd", 0), 1, 2, outcomes={1: won})))
    replica  session   status     name
          1  k3v9x2qa  Completed  hello-k3v5x2qamd-0-1-1
          2  -         not run    -
    """
    rows = [("replica", "session", "status", "name")]
    for replica in range(1, batch.replicas + 1):
        outcome, launch = batch.settled(replica), batch.launched.get(replica)
        if outcome is not None:
            rows.append((str(replica), outcome.session_id, outcome.status, outcome.name))
        elif launch is not None:
            # At a verdict nothing is waited for: what has not ended by itself was not let go on.
            rows.append((str(replica), launch.session_id, "destroyed", launch.name))
        else:
            rows.append((str(replica), "-", "not run", "-"))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        f"{row[0]:>{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:<{widths[2]}}  {row[3]}" for row in rows
    )


def log_lines(
    outcome: Outcome, log: str, fault: Exception | None = None, max_bytes: int | None = None
) -> Iterable[str]:
    """Lay out one replica's log as a group that Airflow's page folds.

    :param fault: why the platform did not give the log.
    :param max_bytes: keep so many bytes of its end; None for all of it.
    """
    yield f"::group::Log of replica {outcome.replica}: {outcome.name} {outcome.session_id} {outcome.status}"
    missing = f"(The platform did not give this log: {fault})" if fault else "(no output)"
    yield from shortened(log, max_bytes).splitlines() or [missing]
    yield "::endgroup::"


def shortened(log: str, max_bytes: int | None) -> str:
    r"""Keep the end of a log, in whole lines as far as that can be, and say what was cut.

    >>> print(shortened("one\ntwo\nthree\n", 10))
    (The first 4 of 14 bytes are left out.)
    two
    three
    <BLANKLINE>
    """
    data = log.encode()
    if max_bytes is None or len(data) <= max_bytes:
        return log
    cut = len(data) - max_bytes
    line_end = data.find(b"\n", cut - 1)
    if 0 <= line_end < len(data) - 1:
        cut = line_end + 1
    return f"(The first {cut:,} of {len(data):,} bytes are left out.)\n{data[cut:].decode(errors='replace')}"


def failure(batch: Batch, failed: Sequence[Outcome], logs: Mapping[str, str], max_failed: int) -> str:
    """Say which replicas failed, with the last lines of each.

    :param logs: session id -> its log, as far as there is one.
    """
    allowed = f", and {max_failed} may" if max_failed else ""
    parts = [f"{len(failed)} of {batch.replicas} replicas failed{allowed}."]
    for outcome in failed[:DESCRIBED]:
        parts.append(
            f"Replica {outcome.replica}, session {outcome.session_id} ({outcome.name}): {outcome.status}."
        )
        log = logs.get(outcome.session_id)
        if log is None:
            parts.append("The platform did not give its log.")
        else:
            parts.append(f"Its last lines:\n{tail(log)}" if tail(log) else "It left no output.")
    if len(failed) > DESCRIBED:
        others = ", ".join(str(outcome.replica) for outcome in failed[DESCRIBED:])
        parts.append(f"The others that failed: replicas {others}; their logs are above.")
    return "\n".join(parts)
