"""What the platform says of single sessions: the calls that read, and change nothing."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Any

from airflow_provider_canfar.skaha import wire
from airflow_provider_canfar.skaha.account_client import AccountClient
from airflow_provider_canfar.skaha.errors import NotFound
from airflow_provider_canfar.skaha.event_table import parse_events
from airflow_provider_canfar.skaha.gather import SessionIds, each, one_id, unique_ids
from airflow_provider_canfar.skaha.http.body import MAX_LOG, decoded
from airflow_provider_canfar.skaha.http.client import Request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from airflow_provider_canfar.skaha.models import Event, Session


class SessionViews(AccountClient):
    """An account's sessions one by one: as they are, their events, their logs.

    The parameters are those of :class:`~.account_client.AccountClient`.
    """

    async def info(self, ids: SessionIds) -> dict[str, Session]:
        """Return sessions as the platform knows them.

        :param ids: one session id or several, or sessions.
        :raises NotFound: for an unknown session: never created, destroyed, or ended an hour ago.
        """
        return await each(unique_ids(ids), self._info)

    async def events(self, ids: SessionIds) -> dict[str, list[Event]]:
        """Return the Kubernetes events of sessions, oldest first; none for one that is not scheduled yet.

        The platform keeps events for about an hour.

        :param ids: one session id or several, or sessions.
        """
        texts = await self.events_text(ids)
        return {session_id: parse_events(text) for session_id, text in texts.items()}

    async def events_text(self, ids: SessionIds) -> dict[str, str]:
        """Return the events of sessions as the platform prints them.

        :param ids: one session id or several, or sessions.
        """
        return await each(unique_ids(ids), lambda session_id: self._view(session_id, "events"))

    async def logs(self, ids: SessionIds, *, max_bytes: int = MAX_LOG) -> dict[str, str]:
        """Return what sessions have written to stdout and stderr, as one text each.

        An empty one does not mean that the session wrote nothing: the platform responds the same for a
        session that has not started, or that it does not know any more. And a log may shrink: the platform
        keeps the newest 10 MB or so, and nothing from before a preemption.

        :param ids: one session id or several, or sessions.
        :param max_bytes: keep this many bytes of the end of each; its first line then says how much is
            omitted. :meth:`stream_logs` yields all of it.
        """
        return await each(
            unique_ids(ids),
            lambda session_id: self._view(session_id, "logs", max_bytes=max_bytes, keeps_end=True),
        )

    async def stream_logs(self, session_id: str | Session) -> AsyncIterator[str]:
        """Yield a session's log in chunks as they arrive, for one that is too big to hold.

        It ends with the log as it is now: it does not follow what the session writes afterwards.

        :param session_id: the session's id, or the session.
        """
        session_id = one_id(session_id)
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        request = Request("GET", f"session/{session_id}", params={"view": "logs"})
        try:
            async with self._http.stream(request, timeout=self._timeouts.other) as response:
                async for chunk in decoded(response):
                    if text := decoder.decode(chunk):
                        yield text
        except NotFound:  # As in logs(): the session may exist, and its log not yet.
            await self._info(session_id)
        if rest := decoder.decode(b"", final=True):
            yield rest

    async def _info(self, session_id: str) -> Session:
        return await self._get(f"session/{session_id}", wire.session)

    async def _view(self, session_id: str, view: str, **limits: Any) -> str:
        """Return a view of a session as text; ``""`` if the session exists, and the view not yet."""
        try:
            return await self._get(f"session/{session_id}", wire.text, {"view": view}, **limits)
        except NotFound:
            await self._info(session_id)
            return ""
