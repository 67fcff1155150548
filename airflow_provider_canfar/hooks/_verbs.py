"""The client's verbs for blocking code: each runs the client's own over the bridge."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, cast, overload

from airflow_provider_canfar.hooks._short_traceback import with_short_tracebacks

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.client import SkahaClient
    from airflow_provider_canfar.skaha.credentials import RegistryCredential
    from airflow_provider_canfar.skaha.gather import SessionIds
    from airflow_provider_canfar.skaha.models import (
        Event,
        Image,
        ResourceOptions,
        Session,
        SessionSpec,
        Stats,
    )
    from airflow_provider_canfar.skaha.spec import SpecFields

T = TypeVar("T")


@with_short_tracebacks
class Verbs(ABC):
    """The verbs of :class:`~airflow_provider_canfar.skaha.client.SkahaClient`, without ``await``.

    Arguments, results and errors are the client's, whose documentation has the details.
    """

    @abstractmethod
    def call(self, verb: Callable[[SkahaClient], Awaitable[T]]) -> T:
        """Call a function with a client, and return its result."""

    @overload
    def create(self, spec: SessionSpec, *, registry: RegistryCredential | None = None) -> list[str]: ...

    @overload
    def create(
        self, *, registry: RegistryCredential | None = None, **fields: Unpack[SpecFields]
    ) -> list[str]: ...

    def create(
        self, spec: SessionSpec | None = None, *, registry: RegistryCredential | None = None, **fields: Any
    ) -> list[str]:
        """Create a session, or each replica of one, and return the ids in the replicas' order.

        :param registry: credentials for a private image, if not the connection's.
        """
        # The client says what is wrong with a spec together with fields.
        return self.call(lambda client: client.create(cast("Any", spec), registry=registry, **fields))

    def fetch(
        self, kind: str | None = None, status: str | None = None, view: str | None = None
    ) -> list[Session]:
        """List the account's sessions."""
        return self.call(lambda client: client.fetch(kind, status, view))

    def info(self, ids: SessionIds) -> dict[str, Session]:
        """Return sessions as the platform knows them, by id."""
        return self.call(lambda client: client.info(ids))

    def events(self, ids: SessionIds) -> dict[str, list[Event]]:
        """Return the Kubernetes events of sessions, by id."""
        return self.call(lambda client: client.events(ids))

    def events_text(self, ids: SessionIds) -> dict[str, str]:
        """Return the events of sessions as the platform prints them, by id."""
        return self.call(lambda client: client.events_text(ids))

    def logs(self, ids: SessionIds, *, max_bytes: int = 64 * 1024 * 1024) -> dict[str, str]:
        """Return what sessions have written to stdout and stderr, or the end of it, by id."""
        return self.call(lambda client: client.logs(ids, max_bytes=max_bytes))

    def renew(self, ids: SessionIds) -> dict[str, bool]:
        """Restart the lifetime of running sessions."""
        return self.call(lambda client: client.renew(ids))

    def destroy(self, ids: SessionIds) -> dict[str, bool]:
        """Destroy sessions, and check for each whether it is gone."""
        return self.call(lambda client: client.destroy(ids))

    def destroy_with(self, prefix: str, kind: str = "headless", status: str = "Completed") -> dict[str, bool]:
        """Destroy the sessions whose names match, and check for each whether it is gone."""
        return self.call(lambda client: client.destroy_with(prefix, kind, status))

    def stats(self) -> Stats:
        """Return how busy the platform is."""
        return self.call(lambda client: client.stats())

    def context(self) -> ResourceOptions:
        """Return the resources that the platform offers to a session."""
        return self.call(lambda client: client.context())

    def images(self, kind: str | None = None) -> list[Image]:
        """Return the images that the platform knows without registry credentials."""
        return self.call(lambda client: client.images(kind))

    def repositories(self) -> list[str]:
        """Return the registries that the platform accepts images from."""
        return self.call(lambda client: client.repositories())

    @overload
    def connect_url(self, ids: str | Session) -> str: ...  # type: ignore[overload-overlap]  # a str is an Iterable of str, and one id

    @overload
    def connect_url(self, ids: Iterable[str | Session]) -> dict[str, str]: ...

    def connect_url(self, ids: SessionIds) -> str | dict[str, str]:
        """Return where a browser opens a running session; for several, a dict by id."""

        async def connect_url(client: SkahaClient) -> str | dict[str, str]:
            return await client.connect_url(ids)

        return self.call(connect_url)

    def whoami(self) -> str:
        """Return the account's user name, as the platform itself has it."""
        return self.call(lambda client: client.whoami())
