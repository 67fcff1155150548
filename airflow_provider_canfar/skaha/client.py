"""The platform's verbs, async."""

from __future__ import annotations

import asyncio
import codecs
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar

from airflow_provider_canfar.skaha import validation as rules
from airflow_provider_canfar.skaha import wire
from airflow_provider_canfar.skaha.errors import (
    NotFound,
    RequestError,
    SessionError,
    SpecError,
)
from airflow_provider_canfar.skaha.gather import each, one_or_many
from airflow_provider_canfar.skaha.http.client import HttpClient, Request
from airflow_provider_canfar.skaha.http.retrying import RETRY_FOR
from airflow_provider_canfar.skaha.models import Kind, SessionSpec, Status

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping
    from types import TracebackType

    import httpx

    from airflow_provider_canfar.skaha.credentials import Credential, RegistryCredential
    from airflow_provider_canfar.skaha.http.response import ApiResponse
    from airflow_provider_canfar.skaha.http.retrying import Clock, Sleep
    from airflow_provider_canfar.skaha.models import Event, Image, ResourceOptions, Session, Stats

__all__ = ["SkahaClient", "Timeouts"]

T = TypeVar("T")

#: Seconds to wait before each look whether a destroyed session is gone. It nearly always is at the first.
DESTROY_PAUSES = (0.0, 0.5, 1.0, 2.0, 4.0)

#: What makes a prefix of ``destroy_with`` a regular expression, as in the platform's own client.
_REGEX = frozenset(".^$*+?{}[]()|")

#: What every version of the server has one and the same word for.
_ONE_WORD = frozenset({Status.PENDING, Status.RUNNING, Status.TERMINATING})


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait for the server: a create has been seen to take 90, anything else to be quick.

    :param create: for a create. A time-out leaves a doubt: the session may be made all the same.
    :param other: for all else.
    """

    create: float = 180.0
    other: float = 60.0


class SkahaClient:
    """The CANFAR Science Platform, as one account.

    .. code-block:: python

        async with SkahaClient("https://ws-uv.canfar.net/skaha/v1", Token("...")) as client:
            ids = await client.create(name="stars", image="skaha/astroml:24.07", command=["nproc"])
            await client.logs(ids)

    Verbs on sessions take one id or many and return a dict by id. Where the only one fails, its own error is
    raised; where some of many fail, a :class:`~.errors.PartialFailure` that holds the others' results. Every
    verb raises :class:`~.errors.RequestError`; what is tried again, and for how long, is in
    :mod:`~.retrying`.

    :param url: the service's base URL up to its version.
    :param credential: who asks; it goes to that URL's host only.
    :param registry: credentials for private images, for each create that is given none of its own.
    :param timeouts: seconds to wait for the server.
    :param retry_for: seconds within which the last try of a request begins; 0 for single tries.
    :param concurrency: how many requests are under way at once.
    :param transport: what carries the requests, for tests.
    :param clock: seconds that never go back.
    :param sleep: what waits.
    :raises SpecError: for a URL that is none, or that would show the credential on the way.
    """

    def __init__(
        self,
        url: str,
        credential: Credential,
        *,
        registry: RegistryCredential | None = None,
        timeouts: Timeouts = Timeouts(),
        retry_for: float = RETRY_FOR,
        concurrency: int = 32,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._registry = registry
        self._context: ResourceOptions | None = None
        self._timeouts = timeouts
        self._sleep = sleep
        self._http = HttpClient(
            url,
            credential,
            retry_for=retry_for,
            concurrency=concurrency,
            transport=transport,
            clock=clock,
            sleep=sleep,
        )

    def __repr__(self) -> str:
        return f"SkahaClient({self.url!r}, {self._http.credential!r})"

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

    async def create(
        self, spec: SessionSpec | None = None, *, registry: RegistryCredential | None = None, **fields: Any
    ) -> list[str]:
        """Create a session, or each replica of one, and return the ids in the replicas' order.

        .. code-block:: python

            await client.create(name="stars", image="skaha/astroml:24.07", command=["nproc"], cores=2)

        Nothing is sent twice: where an error's ``maybe_applied`` is true, look at the list before another try.

        :param spec: what is asked for; or give its ``fields`` themselves.
        :param fields: the arguments of a :class:`~.models.SessionSpec`, instead of ``spec``.
        :param registry: credentials for a private image, if not the client's.
        :raises SpecError: for what the platform would refuse, before any request; also for resources that it
            does not offer, where :meth:`context` has been asked for before.
        :raises PartialFailure: where some of several replicas were not created; its ``results`` hold the ids
            of those that were, by replica, and its ``errors`` the reasons for the others.
        """
        wanted = spec if spec is not None else SessionSpec(**fields)
        if spec is not None and fields:
            raise SpecError(f"create() was given a spec and {', '.join(fields)}. Put them into the spec.")
        if self._context is not None:
            wanted.check_against(self._context)
        replicas = range(1, wanted.replicas + 1)
        wire.create_form(wanted, 1)  # What nothing can carry is refused before any replica is sent.
        ids = await each(replicas, lambda replica: self.create_replica(wanted, replica, registry=registry))
        return [ids[replica] for replica in replicas]

    async def create_replica(
        self,
        spec: SessionSpec,
        replica: int,
        *,
        name: str | None = None,
        registry: RegistryCredential | None = None,
    ) -> str:
        """Create one replica by one request, and return its id.

        :param spec: what is asked for.
        :param replica: which one, from 1.
        :param name: the session's whole name, if not the spec's own with the replica's suffix.
        :param registry: credentials for a private image, if not the client's.
        :raises RequestError: ``maybe_applied`` tells whether it may exist all the same.
        """
        registry = registry or self._registry
        request = Request(
            "POST",
            "session",
            form=tuple(wire.create_form(spec, replica, name)),
            headers=registry.headers() if registry else None,
        )
        return await self._http.send(request, wire.created_id, timeout=self._timeouts.create, retry=False)

    async def fetch(
        self, kind: str | None = None, status: str | None = None, view: str | None = None
    ) -> list[Session]:
        """List the account's sessions.

        :param kind: of this :class:`~.models.Kind` only. ``desktop-app`` sessions are listed when asked for.
        :param status: in this :class:`~.models.Status` only; old and new words for one meaning are the same.
        :param view: ``interactive`` leaves out headless ones; ``all`` lists everybody's, by kind, status and
            start only.
        """
        if view not in {None, "all", "interactive"}:
            raise SpecError(
                f"The view {view!r} is refused: a list has 'all' or 'interactive'. See also stats()."
            )
        wanted_kind = None if kind is None else _kind(kind)
        wanted_status = None if status is None else _status(status)
        params = {}
        if wanted_kind is not None:
            params["type"] = wanted_kind.value
        # The server compares with its own word. Where there have been several, that is ours to compare.
        if wanted_status in _ONE_WORD:
            params["status"] = wanted_status.value
        if view is not None:
            params["view"] = view
        return [
            session
            for session in await self._get("session", wire.sessions, params)
            if wanted_kind in {None, session.kind} and wanted_status in {None, session.status}
        ]

    async def poll(self, read: Callable[[ApiResponse], T], status: str | None = None) -> T:
        """List the account's sessions, and return what ``read`` makes of the answer.

        For one who asks again and again, and reads no more of an answer than is news (:mod:`~.listing`).

        :param read: called in a thread where the answer is large.
        :param status: in this status only, in the server's own word for it.
        """
        return await self._get("session", read, None if status is None else {"status": status})

    async def info(self, ids: str | Iterable[str]) -> dict[str, Session]:
        """Return sessions as the platform knows them.

        :param ids: one session id, or several.
        :raises NotFound: for one that it does not know: never made, destroyed, or ended an hour ago.
        """
        return await each(one_or_many(ids), self._session)

    async def events(self, ids: str | Iterable[str]) -> dict[str, list[Event]]:
        """Return what Kubernetes says of sessions, oldest first; nothing for one that is not scheduled yet.

        The platform keeps events for about an hour.

        :param ids: one session id, or several.
        """
        texts = await self.events_text(ids)
        return {session_id: wire.events(text) for session_id, text in texts.items()}

    async def events_text(self, ids: str | Iterable[str]) -> dict[str, str]:
        """Return the events of sessions as the platform prints them.

        :param ids: one session id, or several.
        """
        return await each(one_or_many(ids), lambda session_id: self._text(session_id, "events"))

    async def logs(self, ids: str | Iterable[str]) -> dict[str, str]:
        """Return what sessions have written to stdout and stderr, as one text each.

        An empty one does not mean that nothing was written: the platform also answers so for a session that
        has not started, or that it does not know any more. And a log may shrink: the platform keeps the
        newest 10 MB or so, and none of what ran before a preemption.

        :param ids: one session id, or several.
        """
        return await each(one_or_many(ids), lambda session_id: self._text(session_id, "logs"))

    async def stream_logs(self, session_id: str) -> AsyncIterator[str]:
        """Yield a session's log in chunks as they arrive, for one that is too big to hold.

        It ends with the log as it is now: it does not follow what is written afterwards.

        :param session_id: the session's id.
        """
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        request = Request("GET", f"session/{rules.session_id(session_id)}", params={"view": "logs"})
        try:
            async with self._http.stream(request, timeout=self._timeouts.other) as response:
                async for chunk in response.aiter_bytes():
                    if text := decoder.decode(chunk):
                        yield text
        except NotFound:  # As in logs(): the session may be there, and its log not yet.
            await self._session(session_id)
        if rest := decoder.decode(b"", final=True):
            yield rest

    async def renew(self, ids: str | Iterable[str]) -> dict[str, bool]:
        """Give running sessions their whole time again: four days for an interactive one.

        For a headless one, which has fourteen days, it changes nothing before the last four.

        :param ids: one session id, or several.
        :raises Rejected: for one that is not running.
        """
        return await each(one_or_many(ids), self._renew)

    async def destroy(self, ids: str | Iterable[str]) -> dict[str, bool]:
        """Destroy sessions, and see for each whether it is gone.

        True means that the account has no such session any more (or never had). False means that it was told
        to go, and was still there some seconds later.

        :param ids: one session id, or several.
        """
        return await each(one_or_many(ids), self._destroy)

    async def destroy_with(
        self, prefix: str, kind: str = Kind.HEADLESS, status: str = Status.COMPLETED
    ) -> dict[str, bool]:
        r"""Destroy the sessions whose names match.

        :param prefix: what names start with; or, with any of ``. ^ $ * + ? { } [ ] ( ) |`` in it, a regular
            expression that is searched for. The server keeps names in lower case, and case does not matter.
        :param kind: of this kind only.
        :param status: in this status only.
        :returns: as :meth:`destroy` does.
        """
        if not prefix:
            raise SpecError("An empty prefix is refused: it matches every name. Write '.*' if that is meant.")
        is_regex = bool(_REGEX & set(prefix))
        try:
            pattern = re.compile(prefix if is_regex else f"^{re.escape(prefix)}", re.IGNORECASE)
        except re.error as error:
            raise SpecError(f"The regular expression {prefix!r} is refused: {error}. Correct it.") from None
        sessions = await self.fetch(kind=kind, status=status)
        return await self.destroy([session.id for session in sessions if pattern.search(session.name)])

    async def stats(self) -> Stats:
        """Return how busy the platform is."""
        return await self._get("session", wire.stats, {"view": "stats"})

    async def context(self) -> ResourceOptions:
        """Return what the platform offers to a session."""
        self._context = await self._get("context", wire.context)
        return self._context

    async def images(self, kind: str | None = None) -> list[Image]:
        """Return the images that the platform knows without registry credentials.

        :param kind: labelled for this kind only.
        """
        params = None if kind is None else {"type": _kind(kind).value}
        return await self._get("image", wire.images, params)

    async def repositories(self) -> list[str]:
        """Return the registries whose images the platform takes."""
        return await self._get("repository", wire.repositories)

    async def connect_url(self, session_id: str) -> str:
        """Return where a browser opens a session that is running.

        :param session_id: the session's id.
        :raises SpecError: for a headless one, which has no page.
        :raises SessionError: for one that is not running.
        """
        session = await self._session(rules.session_id(session_id))
        if not session.is_interactive:
            raise SpecError(f"The session {session_id} is headless and has no page to open. Read its logs.")
        if session.status is not Status.RUNNING or session.connect_url is None:
            raise SessionError(
                f"The session {session_id} ({session.name}) cannot be opened: it is {session.status_word}. "
                "It has a page while it is Running.",
                session_id=session_id,
                name=session.name,
                status=session.status_word,
            )
        return session.connect_url

    async def whoami(self) -> str:
        """Return the account's user name, as the platform itself has it."""
        # The cheapest list: nobody has such sessions. Each answer names its user in a header.
        params = {"type": Kind.HEADLESS.value, "status": Status.TERMINATING.value}
        return await self._get("session", wire.user, params)

    async def _get(
        self, path: str, read: Callable[[ApiResponse], T], params: Mapping[str, str] | None = None
    ) -> T:
        return await self._http.send(Request("GET", path, params=params), read, timeout=self._timeouts.other)

    async def _session(self, session_id: str) -> Session:
        return await self._get(f"session/{session_id}", wire.session)

    async def _text(self, session_id: str, view: str) -> str:
        """Read a view of a session; ``""`` where the session is there, and the view is not there yet."""
        try:
            return await self._get(f"session/{session_id}", wire.text, {"view": view})
        except NotFound:
            await self._session(session_id)
            return ""

    async def _renew(self, session_id: str) -> bool:
        request = Request("POST", f"session/{session_id}", form=(("action", "renew"),))
        await self._http.send(request, wire.text, timeout=self._timeouts.other)
        return True

    async def _destroy(self, session_id: str) -> bool:
        """Delete a session, and look until it is gone: DELETE answers 200 whatever happens (DeleteAction)."""
        request = Request("DELETE", f"session/{session_id}")
        try:
            await self._http.send(request, wire.text, timeout=self._timeouts.other)
        except NotFound:  # As servers before 1.0.0 say.
            return True
        for pause in DESTROY_PAUSES:
            if pause:
                await self._sleep(pause)
            try:
                await self._session(session_id)
            except NotFound:
                return True
            except RequestError as error:
                error.add_note(f"The session {session_id} was told to go; nobody saw whether it did.")
                raise
        return False


def _kind(word: str) -> Kind:
    try:
        return Kind(word)
    except ValueError:
        raise SpecError(f"The kind {word!r} is refused: there are {', '.join(Kind)}. Choose one.") from None


def _status(word: str) -> Status:
    status = Status.of(word)
    if status is Status.UNKNOWN and word != Status.UNKNOWN:
        raise SpecError(f"The status {word!r} is refused: there are {', '.join(Status)}. Choose one.")
    return status
