"""The trigger that starts DAGs when sessions end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

if TYPE_CHECKING:
    from airflow_provider_canfar.account_sessions.end_events import EndEvents

#: The entry in Airflow's asset state store (3.3 on), which outlives the triggerer.
ENTRY = "canfar_ends"

#: Seconds until what went wrong is tried again: a refused credential, or a connection that is not there yet.
#: A watcher has no task that could fail.
TRY_AGAIN_AFTER = 60.0


class CanfarSessionEventTrigger(BaseEventTrigger):
    """Fire when a session whose name matches ends, whoever launched it, for an asset that a DAG waits for.

    ::

        ended = Asset(
            "survey_ended",
            watchers=[AssetWatcher(name="survey", trigger=CanfarSessionEventTrigger(prefix="survey-"))],
        )

        with DAG("after_the_survey", schedule=[ended]):
            ...

    The asset's event carries ``session_id``, ``name``, ``kind``, ``status``, ``started`` and ``url`` of the
    session; with ``when_all_ended``, ``sessions`` has a list of them.

    An interactive session mostly ends by being destroyed by its owner: it is *Gone*, and that fires as well.
    What had ended before the watcher first looked does not. Over restarts of the triggerer, Airflow 3.3
    remembers what has fired; before that, what ends while no triggerer runs is missed. Should two triggerers
    run at once, an end may fire twice.

    A DAG that is started by this and launches sessions whose names match starts itself for ever.

    :param prefix: what the names start with.
    :param regex: a regular expression that is searched for in the names.
    :param ids: these sessions, by their ids.
    :param kind: of this kind, or these.
    :param status: which ends fire: of ``Completed``, ``Failed``, ``Gone``.
    :param when_all_ended: fire once when, after some have ended, none that matches is alive any more.
    :param canfar_conn_id: the Airflow connection to look with.
    :param poll_interval: seconds between two looks.
    :param _unknown: arguments that another release of this provider wrote.
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
        poll_interval: float = 15.0,
        **_unknown: Any,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow's own carries no annotations.
        self.prefix = prefix
        self.regex = regex
        self.ids = ids
        self.kind = kind
        self.status = status
        self.when_all_ended = when_all_ended
        self.canfar_conn_id = canfar_conn_id
        self.poll_interval = poll_interval
        self._unknown = _unknown

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path, and the arguments as JSON: Airflow tells watchers apart by them."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "prefix": self.prefix,
                "regex": self.regex,
                "ids": _as_json(self.ids),
                "kind": _as_json(self.kind),
                "status": _as_json(self.status),
                "when_all_ended": self.when_all_ended,
                "canfar_conn_id": self.canfar_conn_id,
                "poll_interval": self.poll_interval,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield an event for each end, for ever."""
        ends: EndEvents | None = None
        while True:
            try:
                if ends is None:
                    ends = self._ends(await self._recall())
                async for payload in self._watch(ends):
                    yield TriggerEvent(payload)
            except Exception as error:  # noqa: BLE001 - no task could fail of it, and Airflow would start it anew
                self._emit(f"No session is watched; it is tried again in {TRY_AGAIN_AFTER:.0f} s. {error}")
                await asyncio.sleep(TRY_AGAIN_AFTER)

    def _ends(self, state: dict[str, Any] | None) -> EndEvents:
        """Say which ends are waited for.

        :raises SpecError: when no session is chosen.
        """
        from airflow_provider_canfar.account_sessions.end_events import EndEvents
        from airflow_provider_canfar.skaha.errors import SpecError
        from airflow_provider_canfar.skaha.polling.session_tracker import parse_end_statuses
        from airflow_provider_canfar.skaha.selection import Selection, session_ids, words

        selection = Selection(
            prefix=self.prefix, regex=self.regex, ids=session_ids(self.ids), kinds=words(self.kind)
        )
        if selection.ids is None and not (selection.prefix or selection.regex or selection.kinds):
            raise SpecError("No session is chosen to watch. Give prefix, regex, ids or kind.")
        return EndEvents(
            selection,
            parse_end_statuses(words(self.status)),
            when_all_ended=self.when_all_ended,
            state=state,
        )

    async def _watch(self, ends: EndEvents) -> AsyncIterator[dict[str, Any]]:
        from airflow_provider_canfar.hooks.canfar import CanfarHook
        from airflow_provider_canfar.skaha.polling.outage_log import with_outage_log
        from airflow_provider_canfar.skaha.polling.session_reader import fetch_each

        # With each look: what had ended is forgotten when lists have omitted it for long enough.
        wanted = ends.tracker.wanted() | {"interval": self.poll_interval, "wake_at": lambda: 0.0}
        async with CanfarHook(self.canfar_conn_id).watch(**wanted) as subscription:
            async for snapshot in with_outage_log(subscription, self._emit):
                if snapshot.fault is not None or not snapshot.is_complete:
                    continue
                before = ends.to_json()
                ends.observe(snapshot.sessions, snapshot.at)
                there, unknown = await fetch_each(subscription.reader, ends.tracker.missing_ids())
                ends.tracker.update(there)
                ends.tracker.mark_gone(unknown)
                news = ends.take()
                payloads = [{"sessions": news}] if self.when_all_ended and news else news
                for payload in payloads:
                    yield payload
                # After they have fired: better twice than never.
                if ends.to_json() != before:
                    await self._remember(ends)

    async def _recall(self) -> dict[str, Any] | None:
        """Read what was known before a restart; None where Airflow does not remember it."""
        store: Any = getattr(self, "asset_state_store", None)
        if store is None:
            return None
        try:
            state: dict[str, Any] | None = await store.aget(ENTRY)
        except Exception as error:  # noqa: BLE001 - whatever the store says, sessions can be watched without it
            self._emit(f"What had ended before is not known: {error}")
            return None
        return state

    async def _remember(self, ends: EndEvents) -> None:
        store: Any = getattr(self, "asset_state_store", None)
        if store is None:
            return
        try:
            await store.aset(ENTRY, ends.to_json())
        except Exception as error:  # noqa: BLE001 - whatever the store says, sessions can be watched without it
            self._emit(f"What has ended cannot be remembered: {error}")

    def _emit(self, line: str) -> None:
        # As an argument: a session's name is no format.
        self.log.info("%s", line)


def _as_json(value: str | Sequence[str] | None) -> str | list[str] | None:
    return value if value is None or isinstance(value, str) else list(value)
