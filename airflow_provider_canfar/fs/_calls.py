"""Blocking calls to the storage, and its errors as Python's own."""

from __future__ import annotations

import errno
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from airflow_provider_canfar.hooks._explained import explained
from airflow_provider_canfar.hooks.canfar import CanfarHook
from airflow_provider_canfar.skaha.errors import AuthenticationError, NotFound, RequestError

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.storage.client import StorageClient

T = TypeVar("T")


class StorageCalls:
    """Calls the storage of one connection.

    Airflow keeps a file system for as long as the process lives. So the connection is read at the first call,
    again in a forked child, and again when the credential is refused: a person may have renewed it.

    :param conn_id: the Airflow connection.
    """

    def __init__(self, conn_id: str) -> None:
        self.conn_id = conn_id
        self._hook: tuple[int, CanfarHook] | None = None
        self._user: str | None = None

    def __call__(self, verb: Callable[[StorageClient], Awaitable[T]]) -> T:
        """Call a function with a client, and return its result.

        :raises RuntimeError: inside a running event loop, such as a triggerer's.
        :raises OSError: for what a local file system would raise one, too.
        :raises CanfarError: for anything else.
        """
        try:
            return self._run_renewed(verb)
        except RequestError as error:
            raise self._as_pythons_own(error) from None
        except (IsADirectoryError, NotADirectoryError) as error:
            if error.errno is None:  # The storage's client has raised it, and not the operating system.
                explained(error)
            raise

    def _run_renewed(self, verb: Callable[[StorageClient], Awaitable[T]]) -> T:
        hook = self._current_hook()
        try:
            return self._run(hook, verb)
        except AuthenticationError:
            renewed = CanfarHook(self.conn_id)
            if renewed.settings.account == hook.settings.account:
                raise
            self._hook, self._user = (os.getpid(), renewed), None
            return self._run(renewed, verb)

    def _current_hook(self) -> CanfarHook:
        if self._hook is None or self._hook[0] != os.getpid():
            self._hook, self._user = (os.getpid(), CanfarHook(self.conn_id)), None
        return self._hook[1]

    def _run(self, hook: CanfarHook, verb: Callable[[StorageClient], Awaitable[T]]) -> T:
        async def use_client() -> T:
            async with hook.storage() as client:
                try:
                    return await verb(client)
                finally:
                    self._user = client.user or self._user

        return hook.run(use_client)

    def _as_pythons_own(self, error: RequestError) -> Exception:
        """Return an error as the class that Python has for it, and with a message for a person.

        An outage is none of them: code that handles a missing file must not take an outage for one.
        """
        from airflow_provider_canfar.fs._messages import message_of

        message, server_message = message_of(error, self.conn_id, self._user), error.server_message
        if isinstance(error, NotFound):
            return explained(FileNotFoundError(message))
        if error.status == 409:
            return explained(FileExistsError(message))
        if error.status == 403:
            return explained(PermissionError(message))
        if error.status == 400 and "is not empty" in server_message:
            return explained(OSError(errno.ENOTEMPTY, message))
        if error.status == 400 and "for directories" in server_message:
            return explained(IsADirectoryError(message))
        return type(error)(message, **error.facts)
