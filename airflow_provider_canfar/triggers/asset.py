"""The trigger that starts DAGs when sessions end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_provider_canfar.skaha.log_line import ErrorLine, WarningLine
from airflow_provider_canfar.triggers._base import CanfarBaseTrigger

if TYPE_CHECKING:
    from airflow_provider_canfar.account_sessions.end_events import EndEvents
    from airflow_provider_canfar.skaha.selection import Selection

__all__ = ["CanfarSessionEventTrigger"]

#: The key in Airflow's asset state store (3.3 on), which outlives the triggerer.
STATE_KEY = "canfar_asset"

#: Seconds before the trigger tries again after an error, such as a refused credential or a connection that
#: does not exist yet. An asset's watcher has no task that could fail.
RETRY_DELAY = 60.0

#: The statuses in which a session can end.
END_STATUSES = ("Completed", "Failed", "Gone")


class CanfarSessionEventTrigger(CanfarBaseTrigger, BaseEventTrigger):
    """Fire an asset's event when a matching session of the account ends, no matter what launched it.

    ::

        ended = Asset(
            "survey_ended",
            watchers=[AssetWatcher(name="survey", trigger=CanfarSessionEventTrigger(prefix="survey-"))],
        )

        with DAG("after_the_survey", schedule=[ended]):
            ...

    The event carries ``session_id``, ``name``, ``kind``, ``status``, ``started`` and ``url`` of the session;
    with ``when_all_ended``, it carries a list of them in ``sessions``.

    An interactive session usually ends when its owner destroys it: its status is then *Gone*, and the trigger
    fires. Sessions that ended before the first poll do not fire. Airflow 3.3 remembers across restarts of the
    triggerer what has fired; before 3.3, ends are missed while no triggerer runs. If two triggerers run the
    trigger at once, an end may fire twice.

    An invalid argument never raises, as there is no task that could fail: the trigger logs it once, as an
    error, and fires nothing until the DAG file is corrected.

    A DAG that this trigger starts, and that launches sessions whose names match, starts itself in a loop.

    :param prefix: what the names start with.
    :param regex: a regular expression of RE2 to search for in the names.
    :param ids: session ids.
    :param kind: one or several kinds.
    :param status: the ends that fire: ``Completed``, ``Failed``, ``Gone``.
    :param when_all_ended: fire once, when at least one matching session has ended and none is alive.
    :param canfar_conn_id: the Airflow connection.
    :param poll_interval: seconds between two polls of the platform, or a timedelta.
    """

    def __init__(
        self,
        *,
        prefix: str | None = None,
        regex: str | None = None,
        ids: str | Sequence[str] | None = None,
        kind: str | Sequence[str] | None = None,
        status: str | Sequence[str] = ("Completed", "Failed", "Gone"),
        when_all_ended: bool = False,
        canfar_conn_id: str = "canfar_default",
        poll_interval: float | timedelta = 15.0,
        **_unknown: Any,
    ) -> None:
        super().__init__(canfar_conn_id=canfar_conn_id, poll_interval=_as_json(poll_interval))
        self.prefix = prefix
        self.regex = regex
        self.ids = _as_json(ids)
        self.kind = _as_json(kind)
        self.status = _as_json(status)
        self.when_all_ended = when_all_ended
        for name in _unknown:
            # The triggerer sees only what is stored, so the log of the DAG processor has it.
            self.log.error("%s", _describe_unknown(name, [*vars(self)]))

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield an event for each end, forever."""
        try:
            selection, statuses = self._parse_arguments()
        except Exception as error:  # noqa: BLE001 - whatever it is, Airflow would restart the trigger
            self.log.error(
                "%s This trigger fires nothing. Correct its arguments in the DAG file that has the asset.",
                error,
            )
            await asyncio.Event().wait()
            return
        end_events: EndEvents | None = None
        while True:
            try:
                if end_events is None:
                    end_events = await self._make_end_events(selection, statuses)
                async for payload in self._watch(end_events):
                    yield TriggerEvent(payload)
            except Exception as error:  # noqa: BLE001 - no task could fail, and Airflow would restart the trigger
                self._emit(ErrorLine(f"Cannot watch sessions; retrying in {RETRY_DELAY:.0f} s. {error}"))
                await asyncio.sleep(RETRY_DELAY)

    def _parse_arguments(self) -> tuple[Selection, tuple[str, ...]]:
        """Return which sessions to watch, and which ends fire.

        :raises SpecError: for a selection of all sessions, or an invalid argument.
        """
        from airflow_provider_canfar.skaha.errors import SpecError
        from airflow_provider_canfar.skaha.polling.session_tracker import parse_end_statuses
        from airflow_provider_canfar.skaha.selection import Selection, session_ids, words

        self._check_types()
        ids, statuses = session_ids(self.ids), parse_end_statuses(words(self.status))
        if ids == ():
            raise SpecError(f"Invalid ids {self.ids!r}: there is no id in it. Give at least one.")
        if never := [status for status in statuses if status not in END_STATUSES]:
            raise SpecError(
                f"Invalid status {never[0]!r}: no session ends in it. Choose from {', '.join(END_STATUSES)}."
            )
        if not statuses:
            raise SpecError(f"Invalid status {self.status!r}: there is no status in it. Give at least one.")
        selection = Selection(prefix=self.prefix, regex=self.regex, ids=ids, kinds=words(self.kind))
        if selection.ids is None and not (selection.prefix or selection.regex or selection.kinds):
            raise SpecError(
                "Invalid selection: it would watch every session of the account. "
                "Set prefix, regex, ids or kind."
            )
        return selection, statuses

    def _check_types(self) -> None:
        """Check the arguments' types: what is stored may come from any DAG file.

        :raises SpecError: naming the argument and the value.
        """
        from airflow_provider_canfar.skaha.errors import SpecError

        for name, text in (("prefix", self.prefix), ("regex", self.regex)):
            if text is not None and not isinstance(text, str):
                raise SpecError(f"Invalid {name} {text!r}: must be text.")
        for name, several in (("kind", self.kind), ("status", self.status)):
            listed = several if isinstance(several, list | tuple) else [several or ""]
            if not all(isinstance(word, str) for word in listed):
                raise SpecError(f"Invalid {name} {several!r}: must be a word, or a list of words.")
        interval: Any = self.poll_interval
        if (
            isinstance(interval, bool)
            or not isinstance(interval, int | float)
            or not 0 <= interval < float("inf")
        ):
            raise SpecError(
                f"Invalid poll_interval {interval!r}: must be seconds, 0 or more, or a timedelta."
            )
        if not isinstance(self.when_all_ended, bool):
            raise SpecError(f"Invalid when_all_ended {self.when_all_ended!r}: must be True or False.")

    async def _make_end_events(self, selection: Selection, statuses: Iterable[str]) -> EndEvents:
        """Continue from what was known before a restart."""
        from airflow_provider_canfar.account_sessions.end_events import EndEvents

        state = await self._load_state()
        return EndEvents(selection, statuses, when_all_ended=self.when_all_ended, state=state)

    async def _watch(self, end_events: EndEvents) -> AsyncIterator[dict[str, Any]]:
        """Yield the payload of each event."""
        from airflow_provider_canfar.hooks.canfar import CanfarHook
        from airflow_provider_canfar.skaha.polling.outage_log import with_outage_log
        from airflow_provider_canfar.skaha.polling.session_reader import fetch_each

        # Woken by each poll: an ended session is forgotten once lists have omitted it for long enough.
        wanted = end_events.tracker.wanted() | {"interval": self.poll_interval, "wake_at": lambda: 0.0}
        async with CanfarHook(self.canfar_conn_id).watch(**wanted) as subscription:
            async for snapshot in with_outage_log(subscription, self._emit):
                if snapshot.fault is not None or not snapshot.is_complete:
                    continue
                before = end_events.to_json()
                end_events.observe(snapshot.sessions, snapshot.at)
                end_events.update(*await fetch_each(subscription.reader, end_events.tracker.missing_ids()))
                ended = end_events.pop_new()
                payloads = [{"sessions": ended}] if self.when_all_ended and ended else ended
                for payload in payloads:
                    yield payload
                # Saved after the events have fired: firing twice is better than not at all.
                if end_events.to_json() != before:
                    await self._save_state(end_events)

    async def _load_state(self) -> dict[str, Any] | None:
        """Load what was known before a restart; None where Airflow does not store it."""
        store: Any = getattr(self, "asset_state_store", None)
        if store is None:
            return None
        try:
            state: dict[str, Any] | None = await store.aget(STATE_KEY)
        except Exception as error:  # noqa: BLE001 - whatever it is, sessions can be watched without the store
            self._emit(WarningLine(f"Could not load which sessions had ended before: {error}"))
            return None
        return state

    async def _save_state(self, end_events: EndEvents) -> None:
        store: Any = getattr(self, "asset_state_store", None)
        if store is None:
            return
        try:
            await store.aset(STATE_KEY, end_events.to_json())
        except Exception as error:  # noqa: BLE001 - whatever it is, sessions can be watched without the store
            self._emit(WarningLine(f"Could not save which sessions have ended: {error}"))


def _as_json(value: Any) -> Any:
    """Return an argument as it is stored: a duration in seconds, and several words as a list."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Iterable) and not isinstance(value, str | Sequence | Mapping):
        return sorted(value, key=str)
    return value


def _describe_unknown(name: str, known: list[str]) -> str:
    """Say which argument was meant.

    >>> _describe_unknown("prefx", ["prefix", "regex"])
    "Unknown argument 'prefx' of CanfarSessionEventTrigger is ignored. Did you mean 'prefix'?"
    """
    meant = get_close_matches(name, known, 1, 0.7)
    hint = f" Did you mean {meant[0]!r}?" if meant else ""
    return f"Unknown argument {name!r} of CanfarSessionEventTrigger is ignored.{hint}"
