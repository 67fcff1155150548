"""Waiting until sessions of the account have reached a status, no matter what launched them.

A task waits for its own sessions with :mod:`airflow_provider_canfar.task_sessions.wait`, which knows what the
task can do about them. This module only watches.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_canfar.skaha.errors import RequestError, SpecError
from airflow_provider_canfar.skaha.polling.outage_log import with_outage_log
from airflow_provider_canfar.skaha.polling.session_tracker import (
    SessionTracker,
    has_ended,
    normalized_status,
)
from airflow_provider_canfar.skaha.selection import Selection
from airflow_provider_canfar.skaha.statuses import Status

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.client import SkahaClient
    from airflow_provider_canfar.skaha.models import Session
    from airflow_provider_canfar.skaha.polling.session_cache import Row
    from airflow_provider_canfar.skaha.polling.subscriptions import Subscribe

#: What a session can be that holds resources of the platform, or waits for them.
LIVE_STATUSES = (Status.PENDING.value, Status.RUNNING.value, Status.TERMINATING.value)

#: Seconds before a check lists the sessions again because the last list omitted one.
RELIST_AFTER = 1.0


@dataclass(frozen=True, slots=True)
class SessionCondition:
    """What a sensor waits for.

    >>> str(SessionCondition(Selection(ids=("k3v9x2qa",)), ("Running", "Completed")))
    'all of the sessions k3v9x2qa to be Running or Completed'

    :param selection: which sessions.
    :param statuses: the statuses to reach. A session that is Completed has reached Running too.
    :param at_least: how many sessions must reach them; None: all chosen sessions, and at least one.
    :param at_most: how many sessions may be in them now, in place of reaching them; None: no such bound.
    :param fail_on: statuses that fail the wait as soon as one session has them; None: fail as soon as the
        condition can no longer be met, because sessions have ended in another status.
    :raises SpecError: for a condition that can never be met.
    """

    selection: Selection
    statuses: tuple[str, ...] = (Status.COMPLETED.value,)
    at_least: int | None = None
    fail_on: tuple[str, ...] | None = None
    at_most: int | None = None

    def __post_init__(self) -> None:
        ids = self.selection.ids
        if ids is not None and not ids:
            raise SpecError("Invalid ids []: the list is empty. Give at least one id, or a prefix or regex.")
        if self.at_least is not None and self.at_least < 1:
            raise SpecError(
                f"Invalid at_least {self.at_least}: must be 1 or more. Leave it out to wait for all sessions."
            )
        if ids is not None and (self.at_least or 0) > len(ids):
            raise SpecError(
                f"Invalid at_least {self.at_least}: must not exceed the number of ids, {len(ids)}. Lower it."
            )
        if self.at_most is not None and (self.at_least is not None or self.fail_on is not None):
            raise SpecError(
                f"Invalid at_most {self.at_most} with at_least or fail_on: at_most waits until few sessions "
                "are in a status, no matter how they leave it. Leave the others out."
            )
        if self.at_most is not None and self.at_most < 0:
            raise SpecError(f"Invalid at_most {self.at_most}: must be 0 or more.")
        if self.at_most is not None and (final := [one for one in self.statuses if one not in LIVE_STATUSES]):
            raise SpecError(
                f"Invalid status {final[0]!r} with at_most: a session never leaves it. Choose from "
                f"{', '.join(LIVE_STATUSES)}."
            )
        if not self.statuses:
            raise SpecError("Invalid status []: the list is empty. Give at least one status.")
        if both := sorted(set(self.statuses) & set(self.fail_on or ())):
            raise SpecError(
                f"Invalid fail_on {both!r}: must not be in status too. Remove it from one of the two."
            )

    def is_reached_by(self, row: Mapping[str, Any]) -> bool:
        """Whether a session is in a status to reach; one with a chosen id but of another kind never is."""
        kinds, status = self.selection.kinds, normalized_status(row)
        if kinds and row.get("kind", kinds[0]) not in kinds:
            return False
        if self.at_most is not None:
            # A status that we do not know may be any of these.
            return status in (*self.statuses, Status.UNKNOWN)
        return status in self.statuses or (status == Status.COMPLETED and Status.RUNNING in self.statuses)

    def __str__(self) -> str:
        """Say briefly what to wait for."""
        sessions = str(self.selection)
        if self.at_most is not None:
            return f"at most {self.at_most} of {sessions} to be {' or '.join(self.statuses)}"
        if self.at_least is not None:
            sessions = f"at least {self.at_least} of {sessions}"
        elif not sessions.startswith("all "):
            sessions = f"all of {sessions}"
        return f"{sessions} to be {' or '.join(self.statuses)}"

    def to_json(self) -> dict[str, Any]:
        """Return it as a trigger's argument."""
        return {
            "selection": self.selection.to_json(),
            "statuses": list(self.statuses),
            "at_least": self.at_least,
            "fail_on": None if self.fail_on is None else list(self.fail_on),
            "at_most": self.at_most,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Make it from what :meth:`to_json` returned."""
        fail_on = data["fail_on"]
        return cls(
            Selection.from_json(data["selection"]),
            tuple(data["statuses"]),
            data["at_least"],
            None if fail_on is None else tuple(fail_on),
            data.get("at_most"),
        )


class ConditionWatch:
    """What a sensor has observed so far, and whether it meets the condition. Pure.

    :param state: from :meth:`to_json` of an earlier one.
    """

    def __init__(self, condition: SessionCondition, state: Mapping[str, Any] | None = None) -> None:
        state = state or {}
        self.condition = condition
        self.tracker = SessionTracker.of_selection(condition.selection, state.get("rows", ()))
        if condition.at_most is not None and condition.selection.by_name:
            # A busy account has many that have ended.
            self.tracker = SessionTracker((), state.get("rows", ()), _live(condition.selection))
        # A session that has reached a status stays reached: one that has run may be Pending again.
        self._reached = set(state.get("reached", ()))
        self._has_listed = bool(state.get("has_listed"))

    def observe(self, sessions: Iterable[Session], *, is_complete: bool = True) -> list[str]:
        """Record a list, and return a sentence for each change.

        :param is_complete: whether a session that is not in the list is missing.
        """
        changes = self.tracker.observe(sessions, is_complete=is_complete)
        self._has_listed |= is_complete
        self._update_reached()
        return [str(change) for change in changes]

    def update(self, sessions: Iterable[Session], not_found: Iterable[str]) -> None:
        """Record the answers to requests for single sessions.

        :param not_found: ids that the platform answers 404 for.
        """
        self.tracker.update(sessions)
        self.tracker.mark_gone(not_found)
        self._update_reached()

    def _update_reached(self) -> None:
        if self.condition.at_most is not None:
            ended = [session_id for session_id, row in self.tracker.rows.items() if has_ended(row)]
            for session_id in ended if self.condition.selection.by_name else ():
                self.tracker.forget(session_id)
            return
        rows = self.tracker.rows.items()
        self._reached |= {session_id for session_id, row in rows if self.condition.is_reached_by(row)}

    def is_met(self) -> bool | None:
        """Whether the condition is met: True, False if it can no longer be, None while it still may."""
        condition, rows = self.condition, self.tracker.rows
        if condition.at_most is not None:
            return True if self._has_listed and len(self._current()) <= condition.at_most else None
        if any(normalized_status(row) in (condition.fail_on or ()) for row in rows.values()):
            return False
        required = len(rows) if condition.at_least is None else condition.at_least
        if rows and len(self._reached) >= required:
            return True
        failed = sum(has_ended(row) for session_id, row in rows.items() if session_id not in self._reached)
        # With at_least, sessions that match by name may still be launched.
        is_closed = condition.at_least is None or not condition.selection.by_name
        if condition.fail_on is None and failed and is_closed and len(rows) - failed < required:
            return False
        return None

    @property
    def needs_list(self) -> bool:
        """Whether to wait for a complete list: only such a one shows how many sessions there are."""
        return self.condition.at_most is not None and not self._has_listed

    def _current(self) -> list[dict[str, Any]]:
        """Return the sessions that are in the statuses now; one that was never listed may be in any."""
        return [row for row in self.tracker.rows.values() if self.condition.is_reached_by(row)]

    def summaries(self) -> list[dict[str, Any]]:
        """Return each session as it was last observed, as XCom shows it; with ``at_most`` those it counts."""
        return list(self.tracker.rows.values()) if self.condition.at_most is None else self._current()

    def __str__(self) -> str:
        """Say what to wait for, and how far it is."""
        counts = Counter(row["status"] or "not listed yet" for row in self.tracker.rows.values())
        now = ", ".join(f"{count} {status}" for status, count in counts.items())
        nothing = "no session" if self._has_listed else "the platform has not responded yet"
        return f"{self.condition}; now: {now or nothing}"

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON, as Airflow carries it from one check to the next."""
        return {
            "rows": list(self.tracker.rows.values()),
            "reached": sorted(self._reached),
            "has_listed": self._has_listed,
        }


def _live(selection: Selection) -> Callable[[Session | Row], bool]:
    """Return what picks the sessions of a selection that have not ended."""
    return lambda one: not Status.of(one.status).is_final and selection.matches(one)


async def check_once(
    condition_watch: ConditionWatch,
    client: SkahaClient,
    *,
    emit: Callable[[str], None],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """List the sessions once; if the list omits one, again until it is certain whether the session is gone.

    :param emit: logs one sentence per change.
    :raises RequestError: when the platform does not answer.
    """
    # It loads httpx, which parsing a DAG file, where conditions are checked, must not.
    from airflow_provider_canfar.skaha.polling.session_reader import fetch_each

    while True:
        for sentence in condition_watch.observe(await client.fetch()):
            emit(sentence)
        if not condition_watch.tracker.is_in_doubt:
            break
        await sleep(RELIST_AFTER)
    condition_watch.update(*await fetch_each(client, condition_watch.tracker.missing_ids()))


async def wait_for_condition(
    condition_watch: ConditionWatch,
    subscribe: Subscribe,
    *,
    deadline: float | None,
    emit: Callable[[str], None],
) -> bool | None:
    """Watch until the condition is met (True) or can no longer be (False), or the deadline has passed (None).

    :param subscribe: subscribes to sessions.
    :param deadline: seconds since the epoch; None: no deadline.
    :param emit: logs one sentence per change.
    :raises RequestError: when the platform refuses the credential or a request; waiting cannot help.
    """
    from airflow_provider_canfar.skaha.polling.session_reader import fetch_each

    def wake_at() -> float | None:
        return 0.0 if condition_watch.needs_list else deadline  # 0.0: with each poll.

    async with subscribe(**condition_watch.tracker.wanted(), wake_at=wake_at) as subscription:
        async for snapshot in with_outage_log(subscription, emit):
            if isinstance(snapshot.fault, RequestError) and not snapshot.fault.retryable:
                # Polls share one fault, which collects the frames of all of them.
                raise snapshot.fault.with_traceback(None)
            if snapshot.fault is None:
                for line in condition_watch.observe(snapshot.sessions, is_complete=snapshot.is_complete):
                    emit(line)
                if snapshot.is_complete:
                    missing_ids = condition_watch.tracker.missing_ids()
                    condition_watch.update(*await fetch_each(subscription.reader, missing_ids))
                is_met = condition_watch.is_met()
                if is_met is not None:
                    return is_met
            if deadline is not None and snapshot.at >= deadline:
                return None
    raise AssertionError("a subscription does not end by itself")
