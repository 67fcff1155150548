"""What a phase has learnt of a task's replicas, as rows of its journal, and back. Pure.

A row is a JSON list: a word, and what it is about. Later rows count more than earlier ones, and a row that
comes twice says nothing new.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import astuple, fields, replace
from typing import Any

from airflow_provider_canfar.task_sessions.batch import AssignedSession, Batch, Outcome

Row = list[Any]

_DEFAULTS = [one.default for one in fields(Outcome)]


def new_rows(before: Batch, after: Batch) -> list[Row]:
    """Return what is known of a try now and was not before.

    :param before: the same try, earlier.
    """
    try_number = after.try_number
    rows: list[Row] = []
    for replica, one in after.launched.items():
        if before.launched.get(replica) != one:
            rows.append(["launched", try_number, replica, *astuple(one)])
    for replica, outcome in after.outcomes.items():
        if before.outcomes.get(replica) != outcome:
            rows.append(["outcome", *_outcome_row(outcome, after.launched)])
    settled = {one.session_id for one in after.outcomes.values()}
    rows += [
        ["ended", try_number, session_id, word]
        for session_id, word in after.ended.items()
        if before.ended.get(session_id) != word and session_id not in settled
    ]
    rows += [["gone", try_number, one] for one in after.gone if one not in before.gone and one not in settled]
    rows += [["discarded", try_number, one] for one in after.discarded if one not in before.discarded]
    return rows


def replay(batch: Batch, rows: Iterable[Row]) -> Batch:
    """Return a try's batch with what its rows say, and those of earlier tries that have succeeded.

    A failure of an earlier try is what this try is for.
    """
    launched, outcomes = dict(batch.launched), dict(batch.outcomes)
    ended, gone, discarded = dict(batch.ended), [*batch.gone], [*batch.discarded]
    for word, *row in _whole(rows):
        if word == "outcome":
            outcomes[row[0]] = Outcome(*row)
            continue
        try_number, *about = row
        if try_number != batch.try_number:
            continue
        if word == "launched":
            replica, *session = about
            launched[replica] = AssignedSession(*session)
        elif word == "ended":
            ended[about[0]] = about[1]
        elif word == "gone":
            gone += about
        elif word == "discarded":
            discarded += about
    return replace(
        batch,
        launched=launched,
        outcomes={
            replica: one
            for replica, one in outcomes.items()
            if one.succeeded or one.try_number == batch.try_number
        },
        ended=ended,
        gone=tuple(dict.fromkeys(gone)),
        discarded=tuple(dict.fromkeys(discarded)),
    )


def needed(batch: Batch, rows: Iterable[Row]) -> list[Row]:
    """Return the rows that the next phase of a try has to know, whatever is folded."""
    ids = {one.session_id for one in batch.unsettled().values()}
    return [row for row in rows if _is_needed(batch, ids, *row)]


def _is_needed(batch: Batch, ids: Collection[str], word: str, number: int, *about: Any) -> bool:
    """Whether a row is about a session that has not ended, or is to be left out.

    :param ids: of the sessions that have not ended.
    """
    if word == "outcome" or number != batch.try_number:
        return False
    return word == "discarded" or about[word == "launched"] in ids


def successes(rows: Iterable[Row]) -> dict[int, Outcome]:
    """Return the outcomes that a retry keeps, by replica."""
    outcomes = {
        one.replica: one for one in (Outcome(*row) for word, *row in _whole(rows) if word == "outcome")
    }
    return {replica: one for replica, one in outcomes.items() if one.succeeded}


def _outcome_row(outcome: Outcome, launched: Mapping[int, AssignedSession]) -> Row:
    """Return an outcome's fields, without the last ones that say nothing and what its launch has said."""
    row = list(astuple(outcome))
    while len(row) > 1 and row[-1] == _DEFAULTS[len(row) - 1]:
        row.pop()
    session = launched.get(outcome.replica)
    if session is not None and (session.session_id, session.name) == (outcome.session_id, outcome.name):
        row[1:3] = [None, None]
    return row


def _whole(rows: Iterable[Row]) -> Iterable[Row]:
    """Yield the rows, each outcome with its session: the one that was launched last for its replica."""
    sessions: dict[int, tuple[str, str]] = {}
    for row in rows:
        if row[0] == "launched":
            sessions[row[2]] = (row[3], row[4])
        if row[0] == "outcome" and row[2] is None:
            # Without its page, the session is not known, and that it succeeded still is.
            yield [*row[:2], *sessions.get(row[1], ("", "")), *row[4:]]
        else:
            yield row
