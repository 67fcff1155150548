"""The hook: an Airflow connection becomes a client of the platform."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk import BaseHook

from airflow_provider_canfar.hooks._bridge import BRIDGE, refuse_inside_a_loop
from airflow_provider_canfar.hooks._form import connection_form_widgets, ui_field_behaviour
from airflow_provider_canfar.hooks._verbs import Verbs

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from airflow_provider_canfar.hooks._settings import Settings
    from airflow_provider_canfar.skaha.client import SkahaClient
    from airflow_provider_canfar.skaha.models import Stats
    from airflow_provider_canfar.skaha.polling.subscriptions import Subscription

__all__ = ["CanfarHook"]

T = TypeVar("T")


class CanfarHook(Verbs, BaseHook):
    """Authenticated access to the CANFAR Science Platform.

    Async code, a trigger's above all, opens a client and awaits its verbs::

        async with CanfarHook("canfar_default").client() as client:
            sessions = await client.fetch(kind="headless")

    Blocking code, a task's, calls the same verbs on the hook itself::

        CanfarHook().logs("k3v9x2qa")

    The connection is read once, and only when the first call needs it.

    :param canfar_conn_id: the Airflow connection; see the README for what it may hold.
    """

    conn_name_attr = "canfar_conn_id"
    default_conn_name = "canfar_default"
    conn_type = "canfar"
    hook_name = "CANFAR Science Platform"

    # Airflow 3.1 looks for them in the class itself, not in what it inherits: ProvidersManager._import_hook.
    get_connection_form_widgets = staticmethod(connection_form_widgets)
    get_ui_field_behaviour = staticmethod(ui_field_behaviour)

    def __init__(self, canfar_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.canfar_conn_id = canfar_conn_id
        self._settings: Settings | None = None

    @property
    def settings(self) -> Settings:
        """Read what the connection says, in blocking code.

        :raises SpecError: when the connection does not say where the platform is, or who asks.
        """
        if self._settings is None:
            connection = self.get_connection(self.canfar_conn_id)
            self._settings = self._read(connection, connection.extra_dejson)
        return self._settings

    async def _asettings(self) -> Settings:
        """Read what the connection says without blocking the event loop, as a triggerer must."""
        if self._settings is None:
            self._settings = await self._settings_now()
        return self._settings

    async def _settings_now(self) -> Settings:
        """Read what the connection says now, even if it has been read before."""
        from airflow.providers.common.compat.connection import get_async_connection, get_async_extra_dejson

        connection = await get_async_connection(self.canfar_conn_id, hook=self)
        return self._read(connection, await get_async_extra_dejson(connection))

    def _read(self, connection: Connection, extra: dict[str, Any]) -> Settings:
        from airflow_provider_canfar.hooks._settings import Settings

        return Settings.from_fields(
            host=connection.host,
            port=connection.port,
            schema=connection.schema,
            login=connection.login,
            password=connection.password,
            extra=extra,
        )

    @asynccontextmanager
    async def client(self, *, retry_for: float | None = None) -> AsyncIterator[SkahaClient]:
        """Open a client of the platform.

        :param retry_for: seconds for which a read that fails is tried again; None for the connection's own.
        :raises SpecError: when the connection does not say where the platform is, or who asks.
        """
        settings = await self._asettings()
        async with settings.client(retry_for=retry_for) as client:
            yield client

    @asynccontextmanager
    async def watch(self, ids: Iterable[str] = (), **wanted: Any) -> AsyncIterator[Subscription]:
        """Wait for sessions, by the one poll that all who wait on this event loop share.

        The arguments are those of :meth:`airflow_provider_canfar.skaha.polling.session_poller.SessionPoller.subscribe`::

            async with hook.watch(ids, interval=15.0) as looks:
                async for glimpse in looks:
                    ...

        :param ids: the sessions to wait for.
        :param wanted: the other arguments of ``subscribe``.
        :raises SpecError: when the connection does not say where the platform is, or who asks.
        """
        from airflow_provider_canfar.hooks._pollers import watches

        watch = await watches().of(self.canfar_conn_id, self._settings_now, known=self._settings)
        async with watch.subscribe(ids, **wanted) as subscription:
            yield subscription

    async def shared_stats(self, within: float) -> Stats:
        """Return how busy the platform is, asked for once for all who want to know on this event loop.

        :param within: it may be as old as this, in seconds.
        :raises RequestError: when the platform has not answered.
        """
        from airflow_provider_canfar.hooks._pollers import watches

        return await watches().stats(self.canfar_conn_id, self._settings_now)(within)

    def call(
        self,
        verb: Callable[[SkahaClient], Awaitable[T]],
        *,
        retry_for: float | None = None,
        timeout: float | None = None,
    ) -> T:
        """Do something with a client from blocking code, and return what it returns.

        >>> hook.call(lambda client: client.logs("k3v9x2qa"))  # doctest: +SKIP

        :param verb: takes the client; what it returns is awaited.
        :param retry_for: as for :meth:`client`.
        :param timeout: give up after this many seconds, with a TimeoutError.
        :raises RuntimeError: inside a running event loop, which a blocking call would stop.
        """

        async def use() -> T:
            async with self.client(retry_for=retry_for) as client:
                return await verb(client)

        return self.run(use, timeout=timeout)

    def run(self, call: Callable[[], Coroutine[Any, Any, T]], *, timeout: float | None = None) -> T:
        """Run async code from blocking code, and return what it returns; the connection is read before.

        :param call: makes the coroutine.
        :param timeout: give up after this many seconds, with a TimeoutError.
        :raises RuntimeError: inside a running event loop, which a blocking call would stop.
        """
        # First of all: inside a loop, Airflow says of any connection that it is not defined.
        refuse_inside_a_loop()
        # The connection is read here, in the caller's thread: Airflow's own calls belong there.
        self.settings  # noqa: B018 - reading it is what it is for
        return BRIDGE.run(call, timeout=timeout)

    def test_connection(self) -> tuple[bool, str]:
        """Say who one is, and where; or what to change."""
        from airflow_provider_canfar.skaha.errors import CanfarError

        try:
            user = self.call(lambda client: client.whoami(), retry_for=0)
        except CanfarError as error:
            return False, str(error)
        credential = self.settings.credential
        until = f", which ends at {credential.expires_at:%Y-%m-%d %H:%M} UTC" if credential.expires_at else ""
        return True, f"{self.settings.url} knows you as {user}, by {credential.name}{until}."
