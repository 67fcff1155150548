"""The storage's client: files and folders, async."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from airflow_provider_canfar.skaha.errors import NotFound, Rejected, RequestError, ServerError
from airflow_provider_canfar.skaha.http.client import Request
from airflow_provider_canfar.skaha.http.retrying import is_retryable
from airflow_provider_canfar.skaha.storage import documents, names
from airflow_provider_canfar.skaha.storage.documents import Type
from airflow_provider_canfar.skaha.storage.reader import node_url
from airflow_provider_canfar.skaha.storage.uploader import StorageUploader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from airflow_provider_canfar.skaha.http.authorization import Credential
    from airflow_provider_canfar.skaha.http.response import ApiResponse
    from airflow_provider_canfar.skaha.http.retrying import Sleep

#: The status for a node that exists already (DuplicateNode).
CONFLICT = 409

#: Seconds for which the server holds a request for a job's state, and after which a move has failed.
_JOB_WAIT = 6
_MOVE_TIMEOUT = 120.0

#: Seconds between two looks at a job, for a server that does not hold the request.
_JOB_PAUSE = 0.2

_JOB_ENDS = frozenset({"COMPLETED", "ERROR", "ABORTED", "HELD", "ARCHIVED"})


class StorageClient(StorageUploader):
    """Files and folders of one account, on one storage service. Open it with ``async with``.

    Paths are those of the service, ``/home/jdoe/m13``. Names that it would cut or refuse are refused before
    any request, with a SpecError.

    :param url: the service's base URL, such as ``https://ws-uv.canfar.net/arc``.
    :param credential: authenticates the requests; it is sent to that URL's host only.
    :param sleep: waits.
    :param options: those of :class:`~.uploader.StorageUploader`.
    """

    def __init__(
        self, url: str, credential: Credential, *, sleep: Sleep = asyncio.sleep, **options: Any
    ) -> None:
        super().__init__(url, credential, sleep=sleep, **options)
        self._sleep = sleep

    async def mkdir(self, path: str) -> None:
        """Create a folder, whose parent exists.

        :param path: of the folder.
        :raises NotFound: if its parent does not exist.
        :raises Rejected: with the status 409 if it exists.
        """
        names.check_path(path)
        folder = await self.node(names.parent(path))
        await self._create(path, f"{folder.uri.rstrip('/')}/{path.rpartition('/')[2]}")

    async def makedirs(self, path: str) -> None:
        """Create a folder and those above it, as far as they are missing.

        :param path: of the folder.
        :raises NotADirectoryError: if there is a file in its place, or in the place of one above it.
        """
        missing = []
        existing = names.check_path(path)
        while (node := await self._find(existing)) is None:
            missing.append(existing)
            existing = names.parent(existing)
        if node.type is Type.FILE:
            raise NotADirectoryError(f"{existing} is a file, not a folder.")
        uri = node.uri.rstrip("/")
        for folder in reversed(missing):
            uri = f"{uri}/{folder.rpartition('/')[2]}"
            try:
                await self._create(folder, uri)
            except Rejected as error:
                if error.status != CONFLICT:
                    raise

    async def _create(self, path: str, uri: str) -> None:
        request = Request(
            "PUT",
            node_url(path),
            headers={"Accept": "*/*", "Content-Type": "text/xml"},
            content=lambda: _bytes(documents.container(uri)),
        )

        async def create() -> None:
            await self._send(request)

        async def is_done(error: RequestError) -> bool:
            # A lost race against another creator is a 500 (FileSystemNodePersistence.put).
            if error.status is not None and error.status < 500 and error.status != CONFLICT:
                return False
            node = await self._find(path)
            return node is not None and node.type is Type.FOLDER

        await self._repeatable(create, is_done)

    async def delete(self, path: str) -> None:
        """Delete a file, a link or an empty folder.

        :param path: of it.
        :raises NotFound: if there is none.
        :raises Rejected: with the status 400 for a folder that is not empty.
        """

        async def delete() -> None:
            await self._send(Request("DELETE", node_url(path)))

        async def is_done(error: RequestError) -> bool:
            return isinstance(error, NotFound)

        await self._repeatable(delete, is_done)

    async def move(self, source: str, target: str) -> None:
        """Rename a file or a folder, or move it into another folder, on the server.

        :param source: its path.
        :param target: its path afterwards, at which nothing exists.
        :raises NotFound: if there is no source, or no folder for the target.
        :raises SpecError: for a folder that would be moved into itself, as the server sees it.
        :raises Rejected: with the status 409 if the target exists.
        """
        node = await self.node(source)
        folder = await self.node(names.parent(names.check_path(target)))
        if node.type is Type.FOLDER:
            names.check_move(source, folder.target or folder.path)
        # Onto a folder, the server would move it into that folder (InternalTransferAction).
        await self._require_free(target)
        uri = f"{folder.uri.rstrip('/')}/{target.rpartition('/')[2]}"
        request = Request(
            "POST",
            "transfers",
            headers={"Accept": "*/*", "Content-Type": "text/xml"},
            content=lambda: _bytes(documents.move(node.uri, uri)),
            see_other=True,
        )
        failed = f"The server did not move {source} to {target}"
        try:
            # A job that was created twice runs once.
            response = await self._http.send(request, _response, timeout=self._timeout)
            job = f"transfers/{response.headers.get('location', '').rpartition('/')[2]}"
            destination = await self._run(job, failed)
        except RequestError as error:
            if str(error).startswith(failed):
                raise
            raise type(error)(f"While moving {source} to {target}: {error}", **error.facts) from None
        if destination and names.is_inside(destination, source, target):
            raise _exists(
                target,
                f"A folder {target} has just appeared, and the server has moved {source} into it, to "
                f"{destination}.",
                maybe_applied=True,
            )
        if await self._find(target) is None:
            raise ServerError(
                f"The server reports that it moved {source}, but there is no {target}.",
                method="POST",
                path=job,
                maybe_applied=True,
            )

    async def _require_free(self, path: str) -> None:
        if await self._find(path) is not None:
            raise _exists(path, f"{path} exists already.")

    async def _run(self, job: str, failed: str) -> str | None:
        """Run a job that moves a node, wait for its end, and return where the node is then.

        :param failed: what to say if it fails.
        """
        run = Request("POST", f"{job}/phase", form="PHASE=RUN", see_other=True)
        deadline = self._clock() + _MOVE_TIMEOUT
        await self._http.send(run, _response, timeout=self._timeout)
        while self._clock() < deadline:
            request = Request("GET", job, params={"WAIT": str(_JOB_WAIT)}, headers={"Accept": "*/*"})
            state = await self._document(request, documents.job)
            if state.phase == "COMPLETED":
                return state.destination
            if state.phase in _JOB_ENDS:
                exists = "DuplicateNode" in state.message or "exists" in state.message
                raise Rejected(
                    f"{failed}: {state.message or state.phase}.",
                    method="POST",
                    path=job,
                    status=CONFLICT if exists else 400,
                    server_message=state.message,
                )
            if state.phase == "PENDING":  # The request to run it was lost.
                await self._http.send(run, _response, timeout=self._timeout)
            await self._sleep(_JOB_PAUSE)
        raise ServerError(
            f"{failed} within {_MOVE_TIMEOUT:g} s. Check whether it has since.",
            method="POST",
            path=job,
            maybe_applied=True,
        )

    async def _send(self, request: Request) -> None:
        await self._http.send(request, _response, timeout=self._timeout, retry=False)

    async def _repeatable(
        self, call: Callable[[], Awaitable[None]], is_done: Callable[[RequestError], Awaitable[bool]]
    ) -> None:
        """Send a request again whose response was lost, unless it was carried out all the same.

        :param is_done: whether it was, judged after an error that followed a lost response.
        """
        in_doubt = False

        async def attempt() -> None:
            nonlocal in_doubt
            try:
                await call()
            except RequestError as error:
                in_doubt = in_doubt or (is_retryable(error) and error.maybe_applied)
                if not (in_doubt and await is_done(error)):
                    raise

        await self._http.retry(attempt)


def _exists(path: str, message: str, *, maybe_applied: bool = False) -> Rejected:
    return Rejected(message, method="PUT", path=node_url(path), status=CONFLICT, maybe_applied=maybe_applied)


def _response(response: ApiResponse) -> ApiResponse:
    return response


async def _bytes(document: bytes) -> AsyncIterator[bytes]:
    yield document
