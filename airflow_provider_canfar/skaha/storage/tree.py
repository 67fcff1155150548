"""Deleting a folder with all that is in it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.errors import NotFound, Rejected, SpecError
from airflow_provider_canfar.skaha.storage import names
from airflow_provider_canfar.skaha.storage.documents import Node, Type

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.storage.client import StorageClient

#: How many nodes are deleted at once: each request starts several processes of the server.
CONCURRENCY = 8

#: How often a folder is emptied while a session still writes into it.
_ROUNDS = 3


def check_removable(path: str) -> str:
    """Return a path if it may be removed or moved.

    :raises SpecError: for an allocation and for what is above: someone would lose all of their files.
    """
    if names.is_allocation_root(path):
        raise SpecError(
            f"Invalid path {path!r}: an allocation (/home/<user>, /projects/<name>) and the folders above it "
            "are never removed or moved. Name a folder inside of it."
        )
    return path


async def remove_tree(client: StorageClient, path: str) -> None:
    """Delete a file, a link, or a folder with everything in it. Links are deleted, not followed.

    :param client: of the storage.
    :param path: of what is deleted.
    :raises SpecError: for an allocation, and for what is above.
    :raises NotFound: if there is nothing.
    """
    node = await client.node(check_removable(path))
    await _remove(client, node, asyncio.Semaphore(CONCURRENCY))


async def _remove(client: StorageClient, node: Node, limit: asyncio.Semaphore) -> None:
    for remaining in reversed(range(_ROUNDS)):
        if node.type is Type.FOLDER:
            async with limit:
                children = await client.listdir(node.path)
            # The others are deleted all the same: what remains is what could not be.
            done = await asyncio.gather(
                *(_remove_child(client, child, limit) for child in children), return_exceptions=True
            )
            for error in done:
                if error is not None:
                    raise error
        try:
            async with limit:
                await client.delete(node.path)
        except Rejected as error:
            # A folder that is not empty (DeleteNodeAction).
            if error.status != 400 or not remaining or node.type is not Type.FOLDER:
                raise
        else:
            return


async def _remove_child(client: StorageClient, child: Node, limit: asyncio.Semaphore) -> None:
    with suppress(NotFound):  # A session has deleted it meanwhile.
        await _remove(client, child, limit)
