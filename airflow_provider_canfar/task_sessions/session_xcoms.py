"""The XCom ``sessions``: which session stands for which replica, and how it ended. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_canfar.task_sessions.batch import Batch

#: A task with this many replicas has them all in its XCom; one with more has the most telling :data:`SHOWN`.
MOST_ROWS = 1000
SHOWN = 200

#: So many launches and ends are few: the XCom is then pushed whenever the task defers.
FEW = 200

#: With more, it is pushed when there are this many times as many as before: each session is then written some
#: five times, however many wakes a task needs.
GROWTH = 1.25


def sessions_to_json(batch: Batch) -> list[dict[str, Any]]:
    """Write which session stands for which replica, and how it ended if it has.

    One that succeeded in an earlier try is among them.
    """
    rows = []
    for replica in range(1, batch.replicas + 1):
        outcome = batch.settled(replica)
        session = outcome or batch.launched.get(replica)
        if session is None:
            continue
        rows.append(
            {
                "replica": replica,
                "session_id": session.session_id,
                "name": session.name,
                "status": outcome and outcome.status,
                "succeeded": outcome and outcome.succeeded,
            }
            | ({"usage": dict(outcome.usage)} if outcome and outcome.usage else {})
        )
    return rows


def has_every_session(batch: Batch) -> bool:
    """Whether the XCom has a row of each session, and not only of :data:`SHOWN`."""
    if batch.replicas <= MOST_ROWS:
        return True
    settled = sum(batch.settled(replica) is not None for replica in batch.outcomes)
    return settled + len(batch.unsettled()) <= SHOWN


def session_xcoms(batch: Batch) -> dict[str, Any]:
    """Return the XComs about a task's sessions: their rows, and where the others are if there are many."""
    rows = sessions_to_json(batch)
    if has_every_session(batch):
        return {"sessions": rows}
    # Those that failed first, then those that have not ended; sorted() keeps the replicas' order among them.
    shown = sorted(rows, key=lambda row: (row["succeeded"] is not False, row["succeeded"] is True))[:SHOWN]
    about = (
        f"The XCom sessions has {SHOWN} of {len(rows):,} sessions: those that failed first, then those that "
        "have not ended. What the task returns has all, the end of its log says how each replica has ended, "
        "and the tab Sessions shows every replica."
    )
    return {"sessions": shown, "about_sessions": about}


def is_worth_pushing(before: int, now: int) -> bool:
    """Whether to push the XCom again.

    >>> is_worth_pushing(10, 11), is_worth_pushing(1100, 1200), is_worth_pushing(1100, 1300)
    (True, False, True)

    :param before: how many launches and ends it tells of.
    :param now: how many are known now.
    """
    return now <= FEW or math.floor(math.log(now, GROWTH)) > math.floor(math.log(max(before, 1), GROWTH))


class SessionXComs:
    """The XComs about a task's sessions in one phase, and when to push them.

    :param batch: what is known when the phase begins.
    """

    def __init__(self, batch: Batch) -> None:
        self._told = batch.known

    def to_push(self, batch: Batch, complete: Callable[[Batch], Batch], *, whole: bool) -> dict[str, Any]:
        """Return the XComs to push now, by key; none where they have hardly changed.

        :param complete: returns all that is known of the try, where the batch has less.
        :param whole: whether to push them all the same.
        """
        if not whole and not is_worth_pushing(self._told, batch.known):
            return {}
        self._told = batch.known
        return session_xcoms(complete(batch))
