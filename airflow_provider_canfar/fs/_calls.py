"""Blocking calls to the storage, and its errors as Python's own."""

from __future__ import annotations

import errno
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

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

    def __call__(self, verb: Callable[[StorageClient], Awaitable[T]]) -> T:
        """Call a function with a client, and return its result.

        :raises RuntimeError: inside a running event loop, such as a triggerer's.
        :raises OSError: for what a local file system would raise one, too.
        :raises CanfarError: for anything else.
        """
        with os_errors(self.conn_id):
            hook = self._current_hook()
            try:
                return _run(hook, verb)
            except AuthenticationError:
                renewed = CanfarHook(self.conn_id)
                if renewed.settings.account == hook.settings.account:
                    raise
                self._hook = (os.getpid(), renewed)
                return _run(renewed, verb)

    def _current_hook(self) -> CanfarHook:
        if self._hook is None or self._hook[0] != os.getpid():
            self._hook = (os.getpid(), CanfarHook(self.conn_id))
        return self._hook[1]


def _run(hook: CanfarHook, verb: Callable[[StorageClient], Awaitable[T]]) -> T:
    async def use_client() -> T:
        async with hook.storage() as client:
            return await verb(client)

    return hook.run(use_client)


@contextmanager
def os_errors(conn_id: str) -> Iterator[None]:
    """Raise the errors that Python has a class of its own for as that class.

    An outage is none of them: code that handles a missing file must not take an outage for one.
    """
    try:
        yield
    except NotFound as error:
        raise FileNotFoundError(str(error)) from error
    except RequestError as error:
        message = str(error)
        if error.status == 409:
            raise FileExistsError(message) from error
        if error.status == 403:
            raise PermissionError(
                f"{message} Does the account of connection {conn_id!r} have access?"
            ) from error
        if error.status == 400 and "is not empty" in error.server_message:
            raise OSError(errno.ENOTEMPTY, message) from error
        if error.status == 400 and "for directories" in error.server_message:
            raise IsADirectoryError(message) from error
        raise
