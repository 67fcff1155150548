"""Destroying what a selection chooses, until nothing of it is left."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_canfar.skaha.errors import (
    AuthenticationError,
    NotFound,
    PartialFailure,
    RequestError,
    SpecError,
)
from airflow_provider_canfar.skaha.polling.session_tracker import session_summary

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.client import SkahaClient
    from airflow_provider_canfar.skaha.models import Session
    from airflow_provider_canfar.skaha.selection import Selection

#: Seconds between two lists.
PAUSE = 2.0

#: How often one session is told to go before it is reported as one that does not.
TRIES = 3

#: Seconds after which a sweep ends, however much still comes: somebody is launching what it destroys.
NO_LONGER_THAN = 900.0


@dataclass(slots=True)
class DestroyReport:
    """What a sweep has done, as rows by session id.

    :param alive: those that could not be destroyed.
    :param reasons: why, as far as that is known.
    """

    destroyed: dict[str, dict[str, Any]] = field(default_factory=dict)
    alive: dict[str, dict[str, Any]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


def refuse_all(selection: Selection) -> None:
    """Refuse a selection that chooses every session.

    :raises SpecError: with the reason.
    """
    if reason := selection.reason_to_refuse():
        raise SpecError(
            f"This cleanup is refused, as it would destroy everything of its kind: {reason}. Choose sessions "
            "by ids, prefix or regex; or say everything=True if that is what is meant."
        )


async def find(
    client: SkahaClient, selection: Selection, clock: Callable[[], float] = time.time
) -> list[Session]:
    """Return the account's sessions that a selection chooses, as they are now."""
    sessions: list[Session] = []
    if selection.ids is not None:
        # By their ids, as a new session may stay unlisted for minutes.
        for session_id in selection.ids:
            try:
                sessions += (await client.info(session_id)).values()
            except NotFound:
                continue
    else:
        # By kind, as some kinds are listed only when they are asked for.
        for kind in selection.kinds or (None,):
            sessions += await client.fetch(kind=kind)
    return selection.choose(sessions, clock())


async def destroy_matching(
    client: SkahaClient,
    selection: Selection,
    *,
    settle_time: float,
    emit: Callable[[str], None],
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> DestroyReport:
    """Destroy what is chosen, and look again until nothing more has come for a while.

    A create that was under way when its task was killed may register its session later.

    :param settle_time: seconds for which nothing more must come.
    :raises RequestError: when the platform cannot be asked.
    """
    report, tries = DestroyReport(), dict[str, int]()
    started = settled_since = clock()
    while True:
        found = {session.id: session for session in await find(client, selection, clock)}
        report.alive = {session_id: row for session_id, row in report.alive.items() if session_id in found}
        to_destroy = [one for session_id, one in found.items() if tries.get(session_id, 0) < TRIES]
        if clock() - started >= NO_LONGER_THAN:
            for session in to_destroy:
                report.alive[session.id] = session_summary(session)
                report.reasons.setdefault(session.id, "it has come while others were destroyed")
            return report
        if to_destroy:
            for session in to_destroy:
                tries[session.id] = tries.get(session.id, 0) + 1
            await _destroy(client, to_destroy, report, emit)
            settled_since = clock()
        elif clock() - settled_since >= settle_time:
            return report
        await sleep(min(PAUSE, settle_time))


async def _destroy(
    client: SkahaClient, sessions: list[Session], report: DestroyReport, emit: Callable[[str], None]
) -> None:
    rows = {session.id: session_summary(session) for session in sessions}
    errors: dict[str, Exception] = {}
    try:
        gone = await client.destroy(rows)
    except PartialFailure as failure:
        gone, errors = failure.results, failure.errors
    except AuthenticationError:
        raise
    except RequestError as error:
        gone, errors = {}, dict.fromkeys(rows, error)
    for session_id, row in rows.items():
        if gone.get(session_id):
            report.destroyed[session_id] = row
            report.alive.pop(session_id, None)
            emit(f"{row['name']} {session_id}: destroyed.")
        else:
            report.alive[session_id] = row
            report.reasons[session_id] = str(errors.get(session_id, "it was told to go, and is still there"))
            emit(f"{row['name']} {session_id}: not destroyed, {report.reasons[session_id]}.")
