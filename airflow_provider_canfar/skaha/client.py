"""The client: the verbs on sessions, async."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Unpack, overload
from urllib.parse import urlencode

from airflow_provider_canfar.skaha import refusals, wire
from airflow_provider_canfar.skaha.account_client import DEFAULT_TIMEOUTS, Timeouts
from airflow_provider_canfar.skaha.errors import NotFound, Rejected, RequestError, SpecError
from airflow_provider_canfar.skaha.gather import SessionIds, each, is_one, one_id, unique_ids
from airflow_provider_canfar.skaha.http.client import Request
from airflow_provider_canfar.skaha.http.retrying import RETRY_FOR
from airflow_provider_canfar.skaha.metrics import NO_METRICS, Metric, Metrics
from airflow_provider_canfar.skaha.models import Kind, SessionSpec, Status
from airflow_provider_canfar.skaha.name_pattern import prefix_or_regex
from airflow_provider_canfar.skaha.session import page_of
from airflow_provider_canfar.skaha.session_views import SessionViews

if TYPE_CHECKING:
    from collections.abc import Iterable

    import httpx

    from airflow_provider_canfar.skaha.credentials import Credential, RegistryCredential
    from airflow_provider_canfar.skaha.http.retrying import Clock, Sleep
    from airflow_provider_canfar.skaha.models import Session
    from airflow_provider_canfar.skaha.remembered_offer import RememberedOffer
    from airflow_provider_canfar.skaha.spec import SpecFields

__all__ = ["DEFAULT_TIMEOUTS", "SkahaClient", "Timeouts"]

#: Seconds to wait before each check whether a destroyed session is gone. It nearly always is at the first.
DESTROY_PAUSES = (0.0, 0.5, 1.0, 2.0, 4.0)


class SkahaClient(SessionViews):
    """The CANFAR Science Platform, as one account.

    .. code-block:: python

        async with SkahaClient("https://ws-uv.canfar.net/skaha/v1", Token("...")) as client:
            ids = await client.create(name="stars", image="skaha/astroml:24.07", command=["nproc"])
            await client.logs(ids)

    Verbs on sessions accept one id or many and return a dict by id. If a single one fails, its own error is
    raised; if some of many fail, a :class:`~.errors.PartialFailure` that holds the others' results. Every
    verb raises :class:`~.errors.RequestError`; ``skaha.http.retrying`` says what is retried, and how long.

    :param url: the service's base URL including its version.
    :param credential: authenticates the requests; it is sent to that URL's host only.
    :param registry: credentials for private images, for creates that have none of their own.
    :param timeouts: seconds to wait for the server.
    :param retry_for: seconds after the first try of a request in which the last one starts; 0 for no retry.
    :param concurrency: the number of requests in flight at once.
    :param offer: what the platform offers, if clients share it: creates are checked against it.
    :param metrics: sends on what is measured.
    :param transport: sends the requests, for tests.
    :param clock: monotonic seconds.
    :param sleep: waits.
    :raises SpecError: for an invalid URL, or one that would expose the credential on the way.
    """

    def __init__(
        self,
        url: str,
        credential: Credential,
        *,
        registry: RegistryCredential | None = None,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        retry_for: float = RETRY_FOR,
        concurrency: int = 32,
        offer: RememberedOffer | None = None,
        metrics: Metrics = NO_METRICS,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        options = {"retry_for": retry_for, "concurrency": concurrency, "transport": transport}
        super().__init__(url, credential, timeouts=timeouts, offer=offer, clock=clock, sleep=sleep, **options)
        self.metrics = metrics
        self._registry = registry
        self._sleep = sleep

    @overload
    async def create(self, spec: SessionSpec, *, registry: RegistryCredential | None = None) -> list[str]: ...

    @overload
    async def create(
        self, *, registry: RegistryCredential | None = None, **fields: Unpack[SpecFields]
    ) -> list[str]: ...

    async def create(
        self, spec: SessionSpec | None = None, *, registry: RegistryCredential | None = None, **fields: Any
    ) -> list[str]:
        """Create a session, or each replica of one, and return the ids in the replicas' order.

        .. code-block:: python

            await client.create(name="stars", image="skaha/astroml:24.07", command=["nproc"], cores=2)

        Nothing is sent twice: if an error's ``maybe_applied`` is true, check the list before you try again.

        :param spec: the request; or give its ``fields`` instead.
        :param fields: the arguments of a :class:`~.models.SessionSpec`, instead of ``spec``.
        :param registry: credentials for a private image, if not the client's.
        :raises SpecError: before any create, for what the platform would reject; also for resources that it
            does not offer, if :meth:`context` has said so in the last minutes. A client that shares ``offer``
            asks by itself.
        :raises PartialFailure: if some of several replicas were not created; its ``results`` hold the ids of
            those that were, by replica, and its ``errors`` the reasons for the others.
        """
        if spec is not None and fields:
            raise SpecError(
                f"Invalid arguments of create(): a spec together with {', '.join(fields)}. "
                "Put them into the spec."
            )
        spec = spec if spec is not None else SessionSpec(**fields)
        await self._check_offered(spec)
        replicas = range(1, spec.replicas + 1)
        ids = await each(replicas, lambda replica: self.create_replica(spec, replica, registry=registry))
        return [ids[replica] for replica in replicas]

    async def create_replica(
        self,
        spec: SessionSpec,
        replica: int,
        *,
        name: str | None = None,
        registry: RegistryCredential | None = None,
    ) -> str:
        """Create one replica with one request, and return its id.

        :param spec: the request.
        :param replica: its number, from 1.
        :param name: the session's whole name, if not the spec's own with the replica's suffix.
        :param registry: credentials for a private image, if not the client's.
        :raises SpecError: for resources that the platform does not offer, as in :meth:`create`.
        :raises RequestError: its ``maybe_applied`` says whether the session may exist nevertheless.
        """
        await self._check_offered(spec)
        registry = registry or self._registry
        request = wire.create_request(spec, replica, name, registry)
        try:
            session_id = await self._http.send(
                request, wire.created_id, timeout=self._timeouts.create, retry=False
            )
        except Rejected as error:
            offer = await self._read_offer() if refusals.is_about_resources(error) else None
            raise refusals.explained(error, spec, offer) from None
        self.metrics.send(Metric.SESSIONS_LAUNCHED)
        return session_id

    async def renew(self, ids: SessionIds) -> dict[str, bool]:
        """Restart the lifetime of running sessions: four days for an interactive one.

        For a headless one, which has fourteen days, it changes nothing before the last four.

        :param ids: one session id or several, or sessions.
        :raises Rejected: for one that is not running.
        """
        return await each(unique_ids(ids), self._renew)

    async def destroy(self, ids: SessionIds) -> dict[str, bool]:
        """Destroy sessions, and check for each whether it is gone.

        True means that the account has no such session any more (or never had). False means that the platform
        accepted the delete, and still had the session some seconds later.

        :param ids: one session id or several, or sessions.
        """
        return await each(unique_ids(ids), self._measured_destroy)

    async def destroy_with(
        self, prefix: str, kind: str = Kind.HEADLESS, status: str = Status.COMPLETED
    ) -> dict[str, bool]:
        r"""Destroy the sessions whose names match.

        :param prefix: what names start with; or, with any of ``. ^ $ * + ? { } [ ] ( ) |`` in it, a regular
            expression of RE2 to search for. The server keeps names in lower case; case does not matter.
        :param kind: of this kind only.
        :param status: in this status only.
        :returns: as :meth:`destroy` does.
        """
        matches = prefix_or_regex(prefix)
        sessions = await self.fetch(kind=kind, status=status)
        return await self.destroy([session.id for session in sessions if matches(session.name)])

    @overload
    async def connect_url(self, ids: str | Session) -> str: ...  # type: ignore[overload-overlap]  # a str is an Iterable of str, and one id

    @overload
    async def connect_url(self, ids: Iterable[str | Session]) -> dict[str, str]: ...

    async def connect_url(self, ids: SessionIds) -> str | dict[str, str]:
        """Return where a browser opens a running session; for several, a dict by id.

        .. code-block:: python

            ids = await client.create(name="explore", image="skaha/astroml:24.07", kind="notebook")
            await client.connect_url(ids)

        :param ids: one session id or several, or sessions.
        :raises SpecError: for a headless one, which has no page.
        :raises SessionError: for one that is not running.
        """
        if is_one(ids):
            return await self._connect_url(one_id(ids))
        return await each(unique_ids(ids), self._connect_url)

    async def _connect_url(self, session_id: str) -> str:
        return page_of(await self._info(session_id))

    async def _renew(self, session_id: str) -> bool:
        request = Request("POST", f"session/{session_id}", form=urlencode({"action": "renew"}))
        await self._http.send(request, wire.text, timeout=self._timeouts.other)
        return True

    async def _measured_destroy(self, session_id: str) -> bool:
        is_gone = await self._destroy(session_id)
        if is_gone:
            self.metrics.send(Metric.SESSIONS_DESTROYED)
        return is_gone

    async def _destroy(self, session_id: str) -> bool:
        """Delete a session, and check until it is gone: DELETE always responds 200 (DeleteAction)."""
        request = Request("DELETE", f"session/{session_id}")
        try:
            await self._http.send(request, wire.text, timeout=self._timeouts.other)
        except NotFound:  # The response of servers before 1.0.0.
            return True
        for pause in DESTROY_PAUSES:
            if pause:
                await self._sleep(pause)
            try:
                await self._info(session_id)
            except NotFound:
                return True
            except RequestError as error:
                error.add_note(f"Session {session_id}: delete was requested but not confirmed.")
                raise
        return False
