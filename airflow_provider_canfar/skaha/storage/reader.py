"""What the storage's client reads: files, folders, and what the service says of itself. Async."""

from __future__ import annotations

import asyncio
import json
from typing import IO, TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import unquote

from airflow_provider_canfar.skaha.account_client import DEFAULT_TIMEOUTS, Timeouts
from airflow_provider_canfar.skaha.errors import NotFound, Rejected, RequestError, ServerError
from airflow_provider_canfar.skaha.http import body, exchange
from airflow_provider_canfar.skaha.http.client import HttpClient, Request
from airflow_provider_canfar.skaha.http.response import unreadable
from airflow_provider_canfar.skaha.storage import documents, names
from airflow_provider_canfar.skaha.storage.documents import Node, Type
from airflow_provider_canfar.skaha.storage.responses import storage_error
from airflow_provider_canfar.skaha.storage.uploads import CHUNK, StoredFile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    import httpx

    from airflow_provider_canfar.skaha.http.authorization import Credential
    from airflow_provider_canfar.skaha.http.response import ApiResponse

T = TypeVar("T")

# A file arrives as it is stored, compressed or not.
_AS_IT_IS: Mapping[str, str] = {"Accept": "*/*", "Accept-Encoding": "identity"}

# How many links in a row are followed.
_MAX_LINKS = 8


class StorageReader:
    """What only reads: of one account, on one storage service.

    :param url: the service's base URL, such as ``https://ws-uv.canfar.net/arc``.
    :param credential: authenticates the requests; it is sent to that URL's host only.
    :param timeouts: seconds to wait for the server.
    :param options: those of :class:`~..http.client.HttpClient`.
    :raises SpecError: for an invalid URL, or one that would expose the credential on the way.
    """

    def __init__(
        self, url: str, credential: Credential, *, timeouts: Timeouts = DEFAULT_TIMEOUTS, **options: Any
    ) -> None:
        field = f"{exchange.HOST} and storage_url"
        self._http = HttpClient(url, credential, error=self._error_of, field=field, **options)
        self._timeout = timeouts.other
        #: The account's user name, once a response has said it.
        self.user: str | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r}, {self._http.credential!r})"

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, trace)

    @property
    def url(self) -> str:
        """The service's base URL."""
        return self._http.url

    async def is_storage(self) -> bool:
        """Whether the service says that it is a storage."""
        return await self._document(Request("GET", "capabilities"), documents.is_storage)

    async def mount(self) -> str | None:
        """Return the folder that stands for the mount of the sessions; only the emulator announces one."""

        async def ask() -> str | None:
            try:
                response = await self._read(Request("GET", "mount"))
            except RequestError as error:
                if error.status == 404:
                    return None
                raise
            try:
                return str(json.loads(response.body)["storage_mount"])
            except (ValueError, TypeError, KeyError):
                raise unreadable(response) from None

        return await self._http.retry(ask)

    async def node(self, path: str) -> Node:
        """Return a file, a folder or a link, without what is in it.

        :param path: ``/home/jdoe/m13``.
        :raises NotFound: if there is none.
        """
        # HEAD is not for nodes, and the children are what costs: each takes several processes of the server.
        node, _ = await self._nodes(path, {"limit": "0", "detail": "max"})
        return node

    async def _find(self, path: str) -> Node | None:
        try:
            return await self.node(path)
        except NotFound:
            return None

    async def listdir(self, path: str) -> list[Node]:
        """Return what a folder contains, in the server's order.

        The list is empty, too, for a folder that the account may not read (GetNodeAction).

        :param path: of a folder, or of a link to one.
        :raises NotFound: if there is none.
        :raises NotADirectoryError: for a file.
        """
        for _ in range(_MAX_LINKS):
            try:
                # Anything but a limit of 0 is ignored, and the order refused (FileSystemNodePersistence).
                node, children = await self._nodes(path, {"detail": "max"})
            except ServerError as error:
                raise ServerError(
                    f"{error} The storage cannot list a folder that contains a FIFO or a socket.",
                    **error.facts,
                ) from error
            except Rejected as error:
                if error.status != 400:
                    raise
                # It makes a java.net.URI of each link's target (NodeUtil.getLinkTarget).
                raise Rejected(
                    f"{error} The storage cannot list a folder that contains a link whose target has a space "
                    "or another character that is illegal in a URI. Delete such links in a session.",
                    **error.facts,
                ) from error
            if node.type is Type.FOLDER:
                return children
            if node.target is None:
                raise NotADirectoryError(f"{path} is not a folder.")
            path = node.target
        raise NotADirectoryError(f"{path} is a link to a link, and so on, more than {_MAX_LINKS} times.")

    async def head(self, path: str) -> StoredFile:
        """Return what the server tells of a file's content.

        A file that has one may still be refused to a reader: the server checks less than for a download.

        :param path: of a file, or of a link to one.
        :raises NotFound: if there is none.
        :raises Rejected: for a folder.
        """
        return await self._http.retry(lambda: self._head(path))

    async def _head(self, path: str) -> StoredFile:
        request = Request("HEAD", file_url(path), headers=_AS_IT_IS)
        async with self._http.open(request, timeout=self._timeout) as response:
            return StoredFile.from_headers(response.headers)

    async def get(self, path: str, target: IO[bytes]) -> int:
        """Download a file, and return its length in bytes.

        The server sends whole files only; what was written to the target is overwritten after a failure. The
        length is checked, and not the digest, which a session that rewrites a file leaves as it was.

        :param path: of a file, or of a link to one.
        :param target: is written from its beginning, in a thread.
        :raises NotFound: if there is none.
        """

        async def download() -> int:
            await asyncio.to_thread(_rewind, target)
            request = Request("GET", file_url(path), headers=_AS_IT_IS)
            async with self._http.open(request, timeout=self._timeout) as response:
                await self._receive(response, request, target)
            return target.tell()

        return await self._http.retry(download)

    async def _receive(self, response: httpx.Response, request: Request, target: IO[bytes]) -> None:
        async for chunk in response.aiter_raw(CHUNK):
            await asyncio.to_thread(target.write, chunk)
        expected = response.headers.get("content-length", "")
        # 204 is an empty file (GetAction).
        if expected.isdigit() and response.status_code != 204 and int(expected) != target.tell():
            raise ServerError(
                f"GET {request.path} returned {target.tell()} of {expected} bytes.",
                method="GET",
                path=request.path,
                status=response.status_code,
            )

    async def _nodes(self, path: str, params: Mapping[str, str]) -> tuple[Node, list[Node]]:
        request = Request("GET", node_url(path), params=params)
        return await self._document(request, documents.node)

    async def _document(self, request: Request, parse: Callable[[bytes], T]) -> T:
        async def read() -> T:
            response = await self._read(request)
            try:
                return await asyncio.to_thread(parse, response.body)
            except ValueError as error:
                raise unreadable(response) from error

        return await self._http.retry(read)

    async def _read(self, request: Request) -> ApiResponse:
        """Return a response whose body has a bounded length."""
        async with self._http.open(request, timeout=self._timeout) as response:
            content = await body.read(response, documents.MAX_DOCUMENT, request.path)
        return self._noted(exchange.response_of(response, request.path, self.url, content))

    def _error_of(self, response: ApiResponse) -> RequestError:
        return storage_error(self._noted(response))

    def _noted(self, response: ApiResponse) -> ApiResponse:
        """Note whom the server has authenticated (RestServlet.setAuthenticateHeaders)."""
        if name := response.headers.get("x-vo-authenticated"):
            self.user = response.excerpt(name)
        return response


def node_url(path: str) -> str:
    """Return a node's path below the service's URL."""
    return f"nodes/{names.url_path(path)}".rstrip("/")


def file_url(path: str) -> str:
    """Return the path of a file's content below the service's URL."""
    return f"files/{names.url_path(path)}"


def path_in(url: str) -> str | None:
    """Return the path of the node or the file that a URL below the service's is of; None for any other URL.

    >>> path_in(file_url("/home/jdoe/a+b")), path_in(node_url("/")), path_in("transfers/7")
    ('/home/jdoe/a+b', '/', None)
    """
    kind, _, path = url.partition("/")
    return f"/{unquote(path)}" if kind in {"nodes", "files"} else None


def _rewind(target: IO[bytes]) -> None:
    target.seek(0)
    target.truncate()
