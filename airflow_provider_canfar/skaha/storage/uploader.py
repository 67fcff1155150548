"""Uploads to the storage, async: :mod:`~.uploads` decides, and has the reasons."""

from __future__ import annotations

import asyncio
import time
from typing import IO, TYPE_CHECKING, Any

from airflow_provider_canfar.skaha.errors import Rejected, RequestError, ServerError
from airflow_provider_canfar.skaha.http import body
from airflow_provider_canfar.skaha.http.client import Request
from airflow_provider_canfar.skaha.storage import documents, names, uploads
from airflow_provider_canfar.skaha.storage.documents import Type
from airflow_provider_canfar.skaha.storage.reader import StorageReader, file_url, node_url
from airflow_provider_canfar.skaha.storage.uploads import CHUNK, Content, StoredFile

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from airflow_provider_canfar.skaha.http.authorization import Credential
    from airflow_provider_canfar.skaha.http.retrying import Clock

#: Before an upload of more bytes than this, the client asks whether it can succeed: a server that refuses it
#: at once cuts the connection, which hides the reason (Tomcat's maxSwallowSize).
LARGE_UPLOAD = 2 * 1024 * 1024

#: Not "application/x-www-form-urlencoded", which the server reads as parameters, leaving an empty file
#: (SyncInput).
_OCTETS = "application/octet-stream"

# How the server refuses to write to a folder or a link (PutAction).
_NO_FILE = "not a data node"


class StorageUploader(StorageReader):
    """What reads and uploads: of one account, on one storage service.

    :param clock: monotonic seconds.
    :param options: those of :class:`~.reader.StorageReader`.
    """

    def __init__(
        self, url: str, credential: Credential, *, clock: Clock = time.monotonic, **options: Any
    ) -> None:
        super().__init__(url, credential, clock=clock, **options)
        self._clock = clock

    async def put(self, path: str, source: IO[bytes]) -> None:
        """Upload a file, and make sure that it has arrived whole.

        It is truncated and written in place, as :mod:`~.uploads` explains.

        :param path: of the file, which is created or overwritten.
        :param source: is read from its beginning, in a thread: for its digest, and for each try.
        :raises NotFound: if the folder does not exist.
        :raises IsADirectoryError: if there is a folder in its place.
        :raises RequestError: after other failures. The message says whether the file may be empty now, and
            what the quota is.
        """
        content = await asyncio.to_thread(Content.read, source)
        if content.size > LARGE_UPLOAD:
            await self._require_writable(names.parent(names.check_path(path)))
            await self._require_no_other_node(path)
        started = self._clock()
        in_doubt = False

        async def upload() -> None:
            nonlocal in_doubt
            try:
                stored = await self._put(path, source, content)
            except RequestError as error:
                may_be_there = uploads.may_repeat(error) and uploads.may_have_touched(error)
                in_doubt = in_doubt or may_be_there
                if may_be_there and await self._was_written(path, content, started):
                    return
                raise
            # The server may notice the end of an earlier try only now, and then truncates the file.
            if in_doubt or stored.md5 != content.md5:
                await self._require_content(path, content)

        try:
            await self._http.retry(upload, retryable=uploads.may_repeat)
        except RequestError as error:
            if _NO_FILE in error.server_message:
                await self._require_no_other_node(path)
            if in_doubt or uploads.may_have_touched(error):
                raise await self._explained(error, path) from error
            raise

    async def _put(self, path: str, source: IO[bytes], content: Content) -> StoredFile:
        request = Request(
            "PUT",
            file_url(path),
            headers={
                "Accept": "*/*",
                "Content-Type": _OCTETS,
                "Content-Length": str(content.size),
                "Digest": content.digest,
            },
            content=lambda: _chunks(source),
        )
        async with self._http.open(request, timeout=self._timeout) as response:
            await body.read_start(response)
            return StoredFile.from_headers(response.headers)

    async def _was_written(self, path: str, content: Content, started: float) -> bool:
        try:
            found = await self._head(path)
        except RequestError:
            return False
        return uploads.was_written(found, content, self._clock() - started)

    async def _require_content(self, path: str, content: Content) -> None:
        found = await self._head(path)
        if not uploads.has_content(found, content):
            raise ServerError(
                f"PUT {file_url(path)} succeeded, but the file has {found.size} bytes instead of "
                f"{content.size}, or another digest.",
                method="PUT",
                path=file_url(path),
                maybe_applied=True,
            )

    async def _require_writable(self, folder: str) -> None:
        node = await self.node(folder)
        if not node.is_writable:
            raise Rejected(
                f"Not allowed to write to {folder}.",
                method="PUT",
                path=node_url(folder),
                status=403,
            )

    async def _require_no_other_node(self, path: str) -> None:
        """Make sure that a path is free for a file, or one of a file: a link is not followed (PutAction)."""
        node = await self._find(path)
        if node is not None and node.type is Type.FOLDER:
            raise IsADirectoryError(f"{path} is a folder.")
        if node is not None and node.type is Type.LINK:
            target = node.target or "a path outside of the storage"
            raise Rejected(
                f"{path} is a link to {target}, and the storage does not write through links. Write to the "
                "file itself, or delete the link.",
                method="PUT",
                path=file_url(path),
                status=400,
                server_message=_NO_FILE,
            )

    async def _explained(self, error: RequestError, path: str) -> RequestError:
        """Add to a failed upload's error what is there now, as far as anyone can say."""
        message = f"{error} The file {path} may be empty now: the storage truncates it when an upload fails."
        allocation = names.allocation_of(path)
        if allocation is not None:
            try:
                response = await self._read(
                    Request("GET", node_url(allocation), params={"limit": "0", "detail": "max"})
                )
                node, _ = documents.node(response.body)
            except (RequestError, ValueError):
                message += f" Could not read the quota of {allocation}."
            else:
                message += f" {uploads.quota_message(allocation, node.size, node.quota)}"
        return type(error)(message, **error.facts)


async def _chunks(source: IO[bytes]) -> AsyncIterator[bytes]:
    await asyncio.to_thread(source.seek, 0)
    while chunk := await asyncio.to_thread(source.read, CHUNK):
        yield chunk
