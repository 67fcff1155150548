"""The bytes of files: GET, HEAD and PUT below ``/arc/files``."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from email.utils import formatdate
from typing import TYPE_CHECKING

from starlette.responses import Response

from airflow_provider_canfar.emulator.api.disconnect import Disconnect
from airflow_provider_canfar.emulator.api.http_errors import HttpError, bad_request, internal_error, not_found
from airflow_provider_canfar.emulator.faults import storage_faults
from airflow_provider_canfar.emulator.storage.downloads import Download
from airflow_provider_canfar.emulator.storage.node_faults import node_fault
from airflow_provider_canfar.emulator.storage.node_uri import node_path, node_uri, requested_names
from airflow_provider_canfar.emulator.storage.preauth import PREFIX, READ, WRITE
from airflow_provider_canfar.emulator.storage.properties import ENCODING, MD5, TYPE
from airflow_provider_canfar.emulator.storage.uploads import (
    Interrupted,
    check_content_type,
    check_digest,
    receive,
    truncated,
)

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import Route

    from airflow_provider_canfar.emulator.api.disconnect import CloseConnection
    from airflow_provider_canfar.emulator.faults.switched import Faults
    from airflow_provider_canfar.emulator.storage.endpoints import StorageEndpoints
    from airflow_provider_canfar.emulator.storage.node_tree import Node, NodeTree
    from airflow_provider_canfar.emulator.storage.node_uri import Names
    from airflow_provider_canfar.emulator.storage.preauth import Preauthorization
    from airflow_provider_canfar.emulator.storage.quota import Quota

FILES = "/arc/files"
#: Not the server's: here a page that a session has written must not act as the emulator's own.
IN_A_BROWSER = {"Content-Security-Policy": "sandbox", "X-Content-Type-Options": "nosniff"}
SERVER = "OpenCADC/cadc-rest + vos/cavern-0.10"


class FileRoutes:
    """Sends and receives whole files.

    :param tree: has the files.
    :param quota: limits them.
    :param preauthorization: checks tokens in paths.
    :param faults: the faults that are switched on.
    :param endpoints: authenticates requests.
    :param close_connection: closes the connection of a client.
    """

    def __init__(
        self,
        tree: NodeTree,
        quota: Quota,
        preauthorization: Preauthorization,
        faults: Faults,
        endpoints: StorageEndpoints,
        close_connection: CloseConnection,
    ) -> None:
        self._tree = tree
        self._quota = quota
        self._preauthorization = preauthorization
        self._faults = faults
        self._endpoints = endpoints
        self._close_connection = close_connection

    def routes(self) -> list[Route]:
        """Return the routes."""
        route = self._endpoints.route
        return [route(f"{FILES}/{{path:path}}", GET=self._get, HEAD=self._head, PUT=self._put)]

    async def _head(self, request: Request, caller: str | None) -> Response:
        names, caller = self._requested(request, caller, READ)
        node, headers = self._described(names, caller, request)
        return Response(headers={**headers, "Content-Length": str(node.status.st_size)})

    async def _get(self, request: Request, caller: str | None) -> Response:
        """Send a file; one without bytes gets 204."""
        names, caller = self._requested(request, caller, READ)
        node, headers = self._described(names, caller, request)
        if not self._tree.may_read(node, caller):
            raise node_fault("PermissionDenied", node_uri(node.names))
        size = node.status.st_size
        if size == 0:
            return Response(status_code=204, headers=headers)
        cut = self._faults.fire(storage_faults.CutDownload, request.method, request.url.path)
        return Download(
            await asyncio.to_thread(node.path.open, "rb"),
            size,
            {**headers, "Content-Length": str(size)},
            cut.after if cut else None,
            self._close_connection,
        )

    async def _put(self, request: Request, caller: str | None) -> Response:
        """Replace the bytes of a file, which is created if need be."""
        names, caller = self._requested(request, caller, WRITE)
        node = self._target(names, caller)
        content_type = request.headers.get("content-type")
        fire = self._faults.fire
        cut = fire(storage_faults.CutUpload, "PUT", request.url.path)
        mismatch = fire(storage_faults.ChecksumMismatch, "PUT", request.url.path)
        try:
            with truncated(node.path) as file:
                check_content_type(content_type or "")
                room = await asyncio.to_thread(self._quota.room, node)
                cut_after = cut.after if cut else None
                digest = await receive(request.stream(), file, cut_after=cut_after, room=room)
                check_digest(request.headers.get("digest"), digest, mismatch=mismatch is not None)
        except Interrupted:
            return Disconnect(self._close_connection)
        self._store_properties(node, digest, content_type)
        headers = {"Digest": _digest_header(digest), "Server": SERVER}
        if content_type is not None:
            headers["Content-Type"] = content_type
        return Response(status_code=201, headers=headers)

    def _requested(self, request: Request, caller: str | None, grant: str) -> tuple[Names, str | None]:
        """Return the names in the path and the caller, or the user of a token in the path (*parsePath*).

        :raises HttpError: 403 for a token that does not grant this.
        """
        names = requested_names(request, FILES)
        if not (names and names[0].startswith(PREFIX)):
            return names, caller
        return names[1:], self._preauthorization.user(names[0], names[1:], grant)

    def _described(self, names: Names, caller: str | None, request: Request) -> tuple[Node, dict[str, str]]:
        """Return a file and its headers (*HeadAction*).

        :raises HttpError: 404 when it does not exist, 400 for a folder.
        """
        node = self._tree.resolve(names, caller, follow=True)
        if node is None:
            raise node_fault("NodeNotFound", node_uri(names))
        if node.is_container:
            raise bad_request("GET for directories not supported")
        properties = self._tree.properties.read(node.path)
        headers = {
            **IN_A_BROWSER,
            "Server": SERVER,
            "Content-Disposition": f'inline; filename="{_latin_1(names[-1])}"',
            "Last-Modified": formatdate(int(node.status.st_mtime), usegmt=True),
        }
        if TYPE in properties:
            headers["Content-Type"] = properties[TYPE]
        if ENCODING in properties:
            headers["Content-Encoding"] = properties[ENCODING]
        stored = properties.get(MD5, "").removeprefix("md5:")
        if stored and self._faults.fire(storage_faults.StaleDigest, request.method, request.url.path):
            stored = hashlib.md5(stored.encode(), usedforsecurity=False).hexdigest()
        if stored:
            headers["Digest"] = _digest_header(bytes.fromhex(stored))
        return node, headers

    def _target(self, names: Names, caller: str | None) -> Node:
        """Return the file that is to be written.

        The server creates it before it checks whether the caller may write it, and leaves it if not.

        :raises HttpError: 404 without its folder; 400 for a folder or a link; 403 without permission.
        """
        if not names:
            raise internal_error("java.lang.NullPointerException")
        parent = self._tree.resolve(names[:-1], caller, follow=True)
        if parent is None:
            raise not_found(f"not found: parent container {node_path(names[:-1])}")
        if not parent.is_container:
            raise bad_request("parent is not a container node")
        node = self._tree.child(parent, names[-1])
        if node is not None and not node.is_data:
            raise bad_request("not a data node")
        may_write = self._tree.may_write(parent, caller) or (node and self._tree.may_write(node, caller))
        if node is None and caller is not None:
            node = self._tree.create_file(parent, names[-1])
        if node is None or not may_write:
            raise HttpError(403, f"permission denied: write to {node_path(names)}")
        return node

    def _store_properties(self, node: Node, digest: bytes, content_type: str | None) -> None:
        """Store digest and type; the digest's form changes with the first overwrite (*PutAction*)."""
        properties = self._tree.properties.read(node.path)
        properties[MD5] = f"md5:{digest.hex()}" if MD5 in properties else digest.hex()
        if content_type is not None:
            properties[TYPE] = content_type
        self._tree.properties.write(node.path, properties)


def _digest_header(digest: bytes) -> str:
    return f"md5={base64.b64encode(digest).decode()}"


def _latin_1(text: str) -> str:
    """Replace the characters that Tomcat cannot put into a header."""
    return text.encode("latin-1", "replace").decode("latin-1")
