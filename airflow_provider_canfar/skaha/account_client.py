"""The calls about an account as a whole: its list of sessions, what the platform offers, its user name."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar

from airflow_provider_canfar.skaha import wire
from airflow_provider_canfar.skaha.duplicates import first_of_each, precedence
from airflow_provider_canfar.skaha.errors import RequestError, SpecError
from airflow_provider_canfar.skaha.http.body import MAX_LIST, MAX_RESPONSE
from airflow_provider_canfar.skaha.http.client import HttpClient, Request
from airflow_provider_canfar.skaha.http.urls import shown
from airflow_provider_canfar.skaha.remembered_offer import FRESH_FOR, RememberedOffer
from airflow_provider_canfar.skaha.statuses import Kind, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from airflow_provider_canfar.skaha.http.authorization import Credential
    from airflow_provider_canfar.skaha.http.response import ApiResponse
    from airflow_provider_canfar.skaha.models import Image, ResourceOptions, Session, SessionSpec, Stats

T = TypeVar("T")


#: The statuses that the server can filter by. Every version spells this one alike, and a session with a row
#: in it is in no other status, whatever its other rows say.
_FILTERED_BY_SERVER = frozenset({Status.RUNNING})


#: Seconds to wait for what the platform offers: a launch that waits for it goes on without it.
OFFER_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait for the server: creates have taken 90, anything else is quick.

    :param create: for a create. After a timeout the session may still be created.
    :param other: for anything else.
    """

    create: float = 180.0
    other: float = 60.0


DEFAULT_TIMEOUTS = Timeouts()


class AccountClient:
    """One account on the platform: its list of sessions, what the platform offers, its user name.

    :param url: the service's base URL including its version.
    :param credential: authenticates the requests; it is sent to that URL's host only.
    :param timeouts: seconds to wait for the server.
    :param offer: what the platform offers, shared with other clients of the account; creates are then checked
        against it, and it is read when it is needed. Without one, only what :meth:`context` returned counts.
    :param options: those of :class:`~.http.client.HttpClient`.
    :raises SpecError: for an invalid URL, or one that would expose the credential on the way.
    """

    def __init__(
        self,
        url: str,
        credential: Credential,
        *,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        offer: RememberedOffer | None = None,
        **options: Any,
    ) -> None:
        self._http = HttpClient(url, credential, **options)
        self._timeouts = timeouts
        self._offer = offer or RememberedOffer()
        self._reads_offer = offer is not None
        self._offer_lock = asyncio.Lock()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({shown(self.url)!r}, {self._http.credential!r})"

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, trace)

    @property
    def url(self) -> str:
        """The platform's base URL."""
        return self._http.url

    def replace_credential(self, credential: Credential) -> None:
        """Authenticate with another credential from the next request on.

        :param credential: of the same platform.
        """
        self._http.credential = credential

    async def fetch(
        self, kind: str | None = None, status: str | None = None, view: str | None = None
    ) -> list[Session]:
        """List the account's sessions, each of them once.

        Of several rows with one id, the live, later state counts. Only the apps of one desktop stay apart.
        Rows that cannot be read are skipped.

        :param kind: of this :class:`~.models.Kind` only. ``desktop-app`` sessions are listed only for this
            kind.
        :param status: in this :class:`~.models.Status` only; old and new words for one status are the same.
        :param view: ``interactive`` omits headless ones; ``all`` lists every user's, by kind, status and
            start only.
        """
        if view not in {None, "all", "interactive"}:
            raise SpecError(f"Invalid view {view!r}: must be one of all, interactive. See also stats().")
        wanted_kind = None if kind is None else Kind.parse(kind)
        wanted_status = Status.UNKNOWN if status == Status.UNKNOWN else status and Status.parse(status)
        params = {}
        if wanted_kind is not None:
            params["type"] = wanted_kind.value
        # The server compares its own word, row by row. We compare what differs between versions or rows.
        if wanted_status in _FILTERED_BY_SERVER:
            params["status"] = str(wanted_status)
        if view is not None:
            params["view"] = view
        parse = wire.anonymous_sessions if view == "all" else wire.sessions
        sessions = [
            session
            for session in await self._get("session", parse, params, max_bytes=MAX_LIST)
            if wanted_kind in {None, session.kind}
        ]
        if view != "all":
            by_app = wanted_kind is Kind.DESKTOP_APP
            sessions = [
                *first_of_each(
                    sessions, lambda one: (one.id, one.app_id if by_app else ""), precedence
                ).values()
            ]
        return [session for session in sessions if wanted_status in {None, session.status}]

    async def poll(self, parse: Callable[[ApiResponse], T], status: str | None = None) -> T:
        """List the account's sessions, and return what ``parse`` makes of the response.

        For a caller that lists again and again, and parses only what has changed (:mod:`~.session_cache`).

        :param parse: runs in a thread if the response is large.
        :param status: in this status only, in the server's own word for it.
        """
        params = None if status is None else {"status": status}
        return await self._get("session", parse, params, max_bytes=MAX_LIST)

    async def stats(self) -> Stats:
        """Return how busy the platform is."""
        return await self._get("session", wire.stats, {"view": "stats"})

    async def context(self) -> ResourceOptions:
        """Return the resources that the platform offers to a session."""
        offer = await self._get("context", wire.context)
        self._offer.remember(offer)
        return offer

    async def _read_offer(self) -> ResourceOptions | None:
        """Return what the platform offers, asked at most once an hour; None if it does not answer."""
        async with self._offer_lock:
            if self._offer.is_due:
                request = Request("GET", "context")
                try:
                    offer = await self._http.send(request, wire.context, timeout=OFFER_TIMEOUT, retry=False)
                except RequestError:
                    # It only serves a better error.
                    offer = None
                self._offer.remember(offer)
        return self._offer.recall()

    async def _check_offered(self, spec: SessionSpec) -> None:
        """Reject amounts that the platform does not offer, as far as that is known for certain.

        :raises SpecError: with what it offers.
        """
        if spec.is_flexible and spec.gpus is None:
            return
        if self._reads_offer:
            await self._read_offer()
        offer = self._offer.recall(FRESH_FOR)
        if offer is not None:
            spec.check_against(offer)

    async def images(self, kind: str | None = None) -> list[Image]:
        """Return the images that the platform knows without registry credentials.

        :param kind: only those labelled for this kind.
        """
        params = None if kind is None else {"type": Kind.parse(kind).value}
        return await self._get("image", wire.images, params)

    async def repositories(self) -> list[str]:
        """Return the registries that the platform accepts images from."""
        return await self._get("repository", wire.repositories)

    async def whoami(self) -> str:
        """Return the account's user name, as the platform itself has it."""
        # The cheapest list: no account has such sessions. Each response names its user in a header.
        params = {"type": Kind.HEADLESS.value, "status": Status.TERMINATING.value}
        return await self._get("session", wire.user, params)

    async def _get(
        self,
        path: str,
        parse: Callable[[ApiResponse], T],
        params: Mapping[str, str] | None = None,
        *,
        max_bytes: int = MAX_RESPONSE,
        keeps_end: bool = False,
    ) -> T:
        request = Request("GET", path, params=params, max_bytes=max_bytes, keeps_end=keeps_end)
        return await self._http.send(request, parse, timeout=self._timeouts.other)
