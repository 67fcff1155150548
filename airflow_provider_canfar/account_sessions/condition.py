"""Waiting for sessions that anybody has launched: what is wanted of them, and what has been seen.

A task's own sessions are waited for by :mod:`airflow_provider_canfar.task_sessions.wait`, which knows what the task can do
about them. Here there is nothing to do but to look.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_canfar.skaha.errors import (
    SpecError,
)
from airflow_provider_canfar.skaha.polling.outage_log import with_outage_log
from airflow_provider_canfar.skaha.polling.session_reader import fetch_each
from airflow_provider_canfar.skaha.polling.session_tracker import (
    SessionTracker,
    describe,
    has_ended,
    normalized_status,
)
from airflow_provider_canfar.skaha.selection import Selection
from airflow_provider_canfar.skaha.statuses import Status
from airflow_provider_canfar.task_sessions.batch import Verdict

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.client import SkahaClient
    from airflow_provider_canfar.skaha.models import Session
    from airflow_provider_canfar.skaha.polling.subscriptions import Subscribe

#: Seconds between two lists of one look, where the first has omitted something.
LOOK_AGAIN_AFTER = 1.0


@dataclass(frozen=True, slots=True)
class SessionCondition:
    """What a sensor waits for.

    :param selection: which sessions.
    :param statuses: what they must have reached. One that has Completed has been Running.
    :param at_least: how many must have; None: all that are chosen, and at least one.
    :param fail_on: statuses of which one is enough to fail; None: fail as soon as the wish cannot come true,
        because sessions have ended otherwise.
    :raises SpecError: when it could never come true.
    """

    selection: Selection
    statuses: tuple[str, ...] = (Status.COMPLETED.value,)
    at_least: int | None = None
    fail_on: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        ids = self.selection.ids
        if ids is not None and not ids:
            raise SpecError("There are no ids to wait for. Give at least one, or a prefix or regex.")
        if self.at_least is not None and self.at_least < 1:
            raise SpecError(f"at_least={self.at_least} is refused: it must be 1 or more.")
        if ids is not None and (self.at_least or 0) > len(ids):
            raise SpecError(f"at_least={self.at_least} is refused: there are {len(ids)} ids. Ask for fewer.")
        if not self.statuses:
            raise SpecError("There is no status to wait for. Give at least one.")
        if both := set(self.statuses) & set(self.fail_on or ()):
            raise SpecError(f"{', '.join(both)} is waited for, and failed on too. Decide which.")

    def is_reached_by(self, row: Mapping[str, Any]) -> bool:
        """Whether a session is where it is wanted."""
        word = normalized_status(row)
        return word in self.statuses or (word == Status.COMPLETED and Status.RUNNING in self.statuses)

    def to_json(self) -> dict[str, Any]:
        """Write it as a trigger's argument."""
        return {
            "selection": self.selection.to_json(),
            "statuses": list(self.statuses),
            "at_least": self.at_least,
            "fail_on": None if self.fail_on is None else list(self.fail_on),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read it back."""
        fail_on = data["fail_on"]
        return cls(
            Selection.from_json(data["selection"]),
            tuple(data["statuses"]),
            data["at_least"],
            None if fail_on is None else tuple(fail_on),
        )


class ConditionWatch:
    """What a sensor has seen so far of what it waits for.

    :param state: what it had seen before, from :meth:`to_json`.
    """

    def __init__(self, condition: SessionCondition, state: Mapping[str, Any] | None = None) -> None:
        state = state or {}
        self.condition = condition
        self.tracker = SessionTracker(condition.selection, state.get("rows", ()))
        # To have reached a status is for good: a session that has run may be Pending again.
        self._reached = set(state.get("reached", ()))

    def observe(self, sessions: Iterable[Session], at: float, *, is_complete: bool = True) -> list[str]:
        """Take in what a list shows, and return a sentence for each change.

        :param is_complete: whether one that is not listed is missing.
        """
        before = {session_id: row["status"] for session_id, row in self.tracker.rows.items()}
        news = self.tracker.observe(sessions, at, is_complete=is_complete)
        self._note()
        return [describe(self.tracker.rows[one], before.get(one)) for one in news]

    def learn(self, sessions: Iterable[Session], unknown: Iterable[str]) -> None:
        """Take in what the platform has answered for single sessions.

        :param unknown: ids for which it has answered 404.
        """
        self.tracker.update(sessions)
        self.tracker.mark_gone(unknown)
        self._note()

    def _note(self) -> None:
        rows = self.tracker.rows.items()
        self._reached |= {session_id for session_id, row in rows if self.condition.is_reached_by(row)}

    def verdict(self) -> Verdict | None:
        """Decide whether the wish has come true, or cannot any more; None while it may."""
        condition, rows = self.condition, self.tracker.rows
        if self._failing():
            return Verdict.FAILURE
        wanted = len(rows) if condition.at_least is None else condition.at_least
        if rows and len(self._reached) >= wanted:
            return Verdict.SUCCESS
        dead = sum(has_ended(row) for session_id, row in rows.items() if session_id not in self._reached)
        if (
            condition.fail_on is None
            and dead
            and (condition.at_least is None or not condition.selection.by_name)
        ):
            return Verdict.FAILURE if len(rows) - dead < wanted else None
        return None

    def _failing(self) -> list[dict[str, Any]]:
        return [
            row
            for row in self.tracker.rows.values()
            if normalized_status(row) in (self.condition.fail_on or ())
        ]

    def seen(self) -> list[dict[str, Any]]:
        """Return what was last seen of each session, as people read it in XCom."""
        return list(self.tracker.rows.values())

    def __str__(self) -> str:
        """Say how far it is, for people."""
        condition = self.condition
        wanted = "all" if condition.at_least is None else f"at least {condition.at_least}"
        counts: dict[str, int] = {}
        for row in self.tracker.rows.values():
            word = row["status"] or "not seen"
            counts[word] = counts.get(word, 0) + 1
        now = ", ".join(f"{count} {word}" for word, count in counts.items()) or "none seen"
        return f"Of {condition.selection}, {wanted} shall be {' or '.join(condition.statuses)}: {now}."

    def to_json(self) -> dict[str, Any]:
        """Write down what it has seen, as Airflow carries it from one look to the next."""
        return {"rows": self.seen(), "reached": sorted(self._reached)}


async def check_once(
    condition_watch: ConditionWatch,
    client: SkahaClient,
    *,
    emit: Callable[[str], None],
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Look once. Where a list omits a session, look again until that is certain, which takes seconds.

    :raises RequestError: when the platform does not answer.
    """
    while True:
        for sentence in condition_watch.observe(await client.fetch(), clock()):
            emit(sentence)
        if not condition_watch.tracker.is_in_doubt:
            break
        await sleep(LOOK_AGAIN_AFTER)
    condition_watch.learn(*await fetch_each(client, condition_watch.tracker.missing_ids()))


async def wait_for_condition(
    condition_watch: ConditionWatch,
    watch: Subscribe,
    *,
    deadline: float | None,
    emit: Callable[[str], None],
) -> Verdict | None:
    """Look until there is a verdict; None when the deadline has passed before.

    :param watch: begins to wait for sessions.
    :param deadline: seconds since the epoch.
    :raises AuthenticationError: when the platform refuses the credential.
    """
    async with watch(**condition_watch.tracker.wanted(), wake_at=lambda: deadline) as subscription:
        async for snapshot in with_outage_log(subscription, emit):
            if snapshot.fault is None:
                for sentence in condition_watch.observe(
                    snapshot.sessions, snapshot.at, is_complete=snapshot.is_complete
                ):
                    emit(sentence)
                if snapshot.is_complete:
                    condition_watch.learn(
                        *await fetch_each(subscription.reader, condition_watch.tracker.missing_ids())
                    )
                verdict = condition_watch.verdict()
                if verdict is not None:
                    return verdict
            if deadline is not None and snapshot.at >= deadline:
                return None
    raise AssertionError("looking never ends by itself")
