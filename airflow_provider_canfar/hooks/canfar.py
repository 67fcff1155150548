"""The hook: an Airflow connection becomes a client of the platform."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk import BaseHook

from airflow_provider_canfar.hooks._airflow_compat import read_connection
from airflow_provider_canfar.hooks._bridge import BRIDGE, require_no_running_loop
from airflow_provider_canfar.hooks._connection_errors import connection_errors, in_connection
from airflow_provider_canfar.hooks._legacy_form import connection_form_widgets, ui_field_behaviour
from airflow_provider_canfar.hooks._short_traceback import with_short_traceback
from airflow_provider_canfar.hooks._verbs import Verbs

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from airflow_provider_canfar.hooks._settings import Settings
    from airflow_provider_canfar.skaha.client import SkahaClient
    from airflow_provider_canfar.skaha.models import Stats
    from airflow_provider_canfar.skaha.polling.subscriptions import Subscription
    from airflow_provider_canfar.skaha.storage.client import StorageClient

__all__ = ["CanfarHook"]

T = TypeVar("T")


class CanfarHook(Verbs, BaseHook):
    """Authenticated access to the CANFAR Science Platform.

    Async code, such as a trigger's, opens a client and awaits its verbs::

        async with CanfarHook("canfar_default").client() as client:
            sessions = await client.fetch(kind="headless")

    Blocking code, such as a task's, calls the same verbs on the hook itself::

        CanfarHook().logs("k3v9x2qa")

    The hook reads the connection once, and only when the first call needs it.

    :param canfar_conn_id: the Airflow connection; see *The connection* in the documentation for its fields.
    """

    conn_name_attr = "canfar_conn_id"
    default_conn_name = "canfar_default"
    conn_type = "canfar"
    hook_name = "CANFAR Science Platform"

    # Airflow 3.1 looks for them in the class itself, not in its base classes: ProvidersManager._import_hook.
    get_connection_form_widgets = staticmethod(connection_form_widgets)
    get_ui_field_behaviour = staticmethod(ui_field_behaviour)

    def __init__(self, canfar_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.canfar_conn_id = canfar_conn_id
        self._settings: Settings | None = None

    @property
    def settings(self) -> Settings:
        """The connection's settings, read in blocking code.

        :raises AirflowNotFoundException: if there is no such connection.
        :raises SpecError: if the connection does not make a URL and a credential.
        """
        if self._settings is None:
            with connection_errors(self.canfar_conn_id):
                connection = self.get_connection(self.canfar_conn_id)
                fields = _fields_of(connection, connection.extra_dejson)
                del connection  # Its repr shows its password, and a frame shows its variables.
                self._settings = self._parse(fields)
        return self._settings

    async def _async_settings(self) -> Settings:
        """Return the connection's settings without blocking the event loop, as a triggerer must."""
        if self._settings is None:
            self._settings = await self._read_settings()
        return self._settings

    async def _read_settings(self) -> Settings:
        """Read the connection's settings, even if they have been read before."""
        with connection_errors(self.canfar_conn_id):
            connection, extra = await read_connection(self, self.canfar_conn_id)
            fields = _fields_of(connection, extra)
            del connection, extra  # As above.
            return self._parse(fields)

    def _parse(self, fields: dict[str, Any]) -> Settings:
        from airflow_provider_canfar.hooks._settings import Settings

        return Settings.from_fields(**fields)

    @asynccontextmanager
    async def client(self, *, retry_for: float | None = None) -> AsyncIterator[SkahaClient]:
        """Open a client of the platform.

        :param retry_for: seconds for which a failed read is retried; None for the default.
        :raises SpecError: if the connection does not make a URL and a credential.
        """
        from airflow_provider_canfar.hooks._metrics import AirflowMetrics

        settings = await self._async_settings()
        metrics = AirflowMetrics(self.canfar_conn_id)
        async with settings.client(retry_for=retry_for, metrics=metrics) as client:
            yield client

    @asynccontextmanager
    async def storage(self) -> AsyncIterator[StorageClient]:
        """Open a client of the storage, the files that sessions see under ``/arc``.

        Blocking code uses Airflow's ``ObjectStoragePath("arc://canfar_default@home/jdoe")`` instead. All
        users on one event loop share a client, so that many small files need few connections::

            async with CanfarHook().storage() as storage:
                nodes = await storage.listdir("/home/jdoe/m13")

        :raises SpecError: if the connection does not make a URL and a credential.
        """
        from airflow_provider_canfar.hooks._storage_clients import storage_clients

        settings = await self._async_settings()
        async with storage_clients().client_of(settings) as client:
            yield client

    def storage_mount(self) -> str:
        """Return the folder in which sessions see the storage, such as ``/arc``.

        :func:`airflow_provider_canfar.fs.paths.container_path` gives the path of a file in it. The emulator
        is asked once; for any other site, the connection has the answer.

        :raises RequestError: if the emulator does not respond.
        """
        from airflow_provider_canfar.hooks._storage_clients import mount_of

        async def mount() -> str:
            async with self.storage() as storage:
                return await mount_of(self.settings, storage)

        return self.settings.storage_mount or self.run(mount)

    @asynccontextmanager
    async def watch(self, ids: Iterable[str] = (), **options: Any) -> AsyncIterator[Subscription]:
        """Subscribe to sessions, on the one poll that all subscribers on this event loop share.

        The arguments are those of
        :meth:`airflow_provider_canfar.skaha.polling.session_poller.SessionPoller.subscribe`::

            async with hook.watch(ids, interval=15.0) as subscription:
                async for snapshot in subscription:
                    ...

        :param ids: the sessions to wait for.
        :param options: the other arguments of ``subscribe``.
        :raises SpecError: if the connection does not make a URL and a credential.
        """
        from airflow_provider_canfar.hooks._pollers import pollers

        poller = await pollers().poller_for(self.canfar_conn_id, self._read_settings, known=self._settings)
        async with poller.subscribe(ids, **options) as subscription:
            yield subscription

    async def shared_stats(self, max_age: float) -> Stats:
        """Return how busy the platform is, with one request for all callers on this event loop.

        :param max_age: how old the result may be, in seconds.
        :raises RequestError: if the platform did not respond.
        """
        from airflow_provider_canfar.hooks._pollers import pollers

        return await pollers().stats(self.canfar_conn_id, self._read_settings)(max_age)

    @with_short_traceback
    def call(
        self,
        verb: Callable[[SkahaClient], Awaitable[T]],
        *,
        retry_for: float | None = None,
        timeout: float | None = None,
    ) -> T:
        """Call a function with a client from blocking code, and return its result.

        >>> hook.call(lambda client: client.logs("k3v9x2qa"))  # doctest: +SKIP

        :param verb: gets the client; its result is awaited.
        :param retry_for: as for :meth:`client`.
        :param timeout: give up after this many seconds, with a TimeoutError.
        :raises RuntimeError: inside a running event loop, which a blocking call would stop.
        """

        async def use_client() -> T:
            async with self.client(retry_for=retry_for) as client:
                return await verb(client)

        return self.run(use_client, timeout=timeout)

    def run(self, call: Callable[[], Coroutine[Any, Any, T]], *, timeout: float | None = None) -> T:
        """Read the connection, then run async code from blocking code and return its result.

        :param call: creates the coroutine.
        :param timeout: give up after this many seconds, with a TimeoutError.
        :raises RuntimeError: inside a running event loop, which a blocking call would stop.
        """
        # This check is first: inside a loop, Airflow says that any connection is not defined.
        require_no_running_loop()
        # The connection is read here, in the caller's thread: Airflow's own calls belong there.
        self.settings  # noqa: B018 (reading it is the point)
        return BRIDGE.run(call, timeout=timeout)

    def test_connection(self) -> tuple[bool, str]:
        """Return whether the platform authenticates the connection, and as whom; or what to change."""
        from airflow_provider_canfar.skaha.errors import CanfarError
        from airflow_provider_canfar.skaha.http.urls import shown

        try:
            user = self.call(lambda client: client.whoami(), retry_for=0)
        except CanfarError as error:
            # Airflow tests the form's fields under an id that it makes up.
            return False, str(error).removesuffix(in_connection(self.canfar_conn_id))
        credential = self.settings.credential
        expires_at = credential.expires_at
        expiry = f", expires {expires_at:%Y-%m-%d %H:%M} UTC" if expires_at else ""
        name = credential.name.removeprefix("the ").removeprefix("a ").removeprefix("an ")
        connected = f"Connected to {shown(self.settings.url)} as {user} ({name}{expiry})."
        return True, f"{connected} {self._test_storage()}"

    def _test_storage(self) -> str:
        """Say whether the storage responds; many tasks need none, so that it is not an error if not."""
        from airflow_provider_canfar.skaha.errors import CanfarError
        from airflow_provider_canfar.skaha.http.urls import shown

        async def test() -> str:
            async with self.settings.storage(retry_for=0) as storage:
                url = shown(storage.url)
                if await storage.is_storage():
                    return f"The storage for arc:// paths is {url}."
                return f"{url} is not a storage, so arc:// paths do not work. Is storage_url right?"

        try:
            return self.run(test)
        except CanfarError as error:
            return f"The storage, which only arc:// paths need, does not respond: {error}"


def _fields_of(connection: Connection, extra: dict[str, Any]) -> dict[str, Any]:
    """Return a connection's fields, with a repr that shows none of them."""
    from airflow_provider_canfar.skaha.secret import concealed

    names = ("host", "port", "schema", "login", "password")
    fields: dict[str, Any] = concealed({name: getattr(connection, name) for name in names} | {"extra": extra})
    return fields
