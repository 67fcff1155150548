"""Destroying the sessions that a selection chooses, until none of them is left."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_canfar.skaha.duplicates import one_per_id
from airflow_provider_canfar.skaha.errors import (
    AuthenticationError,
    NotFound,
    PartialFailure,
    RequestError,
    SpecError,
)
from airflow_provider_canfar.skaha.log_line import WarningLine
from airflow_provider_canfar.skaha.polling.session_tracker import session_summary

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.client import SkahaClient
    from airflow_provider_canfar.skaha.models import Session
    from airflow_provider_canfar.skaha.selection import Selection

#: Seconds between two lists.
LIST_INTERVAL = 2.0

#: How often to request the delete of one session before it is reported as alive.
MAX_DELETES = 3

#: Seconds after which a cleanup ends even if sessions keep appearing: something launches what it destroys.
MAX_DURATION = 900.0


@dataclass(slots=True)
class DestroyReport:
    """What a cleanup has done: summaries of sessions by id.

    :param alive: sessions that could not be destroyed.
    :param reasons: why not, by id.
    """

    destroyed: dict[str, dict[str, Any]] = field(default_factory=dict)
    alive: dict[str, dict[str, Any]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


def reject_all(selection: Selection) -> None:
    """Refuse a selection of sessions that have nothing in common.

    :raises SpecError: with the reason.
    """
    if reason := selection.reason_to_refuse():
        raise SpecError(
            f"Invalid selection of {selection}: it would destroy sessions that have nothing in common, as "
            f"{reason}. Choose sessions by ids, prefix or regex, or set allow_all=True."
        )


async def find_sessions(
    client: SkahaClient, selection: Selection, clock: Callable[[], float] = time.time
) -> list[Session]:
    """Return the account's sessions that a selection chooses, as they are now."""
    sessions: list[Session] = []
    if selection.ids is not None:
        # One by one: a new session may be missing from lists for minutes.
        for session_id in selection.ids:
            try:
                sessions += (await client.info(session_id)).values()
            except NotFound:
                continue
    else:
        # By kind: a list without a kind omits some kinds.
        for kind in selection.kinds or (None,):
            sessions += await client.fetch(kind=kind)
    # Lists of several kinds may show one session: a desktop and its apps share an id.
    return selection.choose(one_per_id(sessions).values(), clock())


async def destroy_matching(
    client: SkahaClient,
    selection: Selection,
    *,
    settle_time: float,
    emit: Callable[[str], None],
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> DestroyReport:
    """Destroy the chosen sessions, and list again until no other has appeared for a while.

    A create that was under way when its task was killed may register its session later.

    :param settle_time: seconds for which no other session must appear.
    :param emit: logs a line per session.
    :raises RequestError: when the platform does not answer.
    """
    report, deletes = DestroyReport(), dict[str, int]()
    started = settled_since = clock()
    while True:
        found = {session.id: session for session in await find_sessions(client, selection, clock)}
        report.alive = {
            session_id: summary for session_id, summary in report.alive.items() if session_id in found
        }
        to_destroy = [
            session for session_id, session in found.items() if deletes.get(session_id, 0) < MAX_DELETES
        ]
        if clock() - started >= MAX_DURATION:
            for session in to_destroy:
                report.alive[session.id] = session_summary(session)
                report.reasons.setdefault(session.id, "appeared while other sessions were destroyed")
            return report
        if to_destroy:
            for session in to_destroy:
                deletes[session.id] = deletes.get(session.id, 0) + 1
            await _destroy(client, to_destroy, report, emit)
            settled_since = clock()
        elif clock() - settled_since >= settle_time:
            return report
        await sleep(min(LIST_INTERVAL, settle_time))


async def _destroy(
    client: SkahaClient, sessions: list[Session], report: DestroyReport, emit: Callable[[str], None]
) -> None:
    summaries = {session.id: session_summary(session) for session in sessions}
    errors: dict[str, Exception] = {}
    try:
        destroyed = await client.destroy(summaries)
    except PartialFailure as failure:
        destroyed, errors = failure.results, failure.errors
    except AuthenticationError:
        raise
    except RequestError as error:
        destroyed, errors = {}, dict.fromkeys(summaries, error)
    for session_id, summary in summaries.items():
        session = f"session {session_id} ({summary['name']})"
        if destroyed.get(session_id):
            report.destroyed[session_id] = summary
            report.alive.pop(session_id, None)
            emit(f"Destroyed {session}.")
        else:
            reason = str(errors.get(session_id, "delete was requested but not confirmed"))
            report.alive[session_id] = summary
            report.reasons[session_id] = reason
            emit(WarningLine(f"Could not destroy {session}: {reason.rstrip('.')}."))
