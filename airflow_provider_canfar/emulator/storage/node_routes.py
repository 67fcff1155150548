"""What is known of nodes: GET, PUT, POST and DELETE below ``/arc/nodes``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.responses import Response

from airflow_provider_canfar.emulator.api.http_errors import HttpError, bad_request, internal_error
from airflow_provider_canfar.emulator.api.parameters import read_parameters
from airflow_provider_canfar.emulator.api.responses import xml_response
from airflow_provider_canfar.emulator.faults import storage_faults
from airflow_provider_canfar.emulator.storage.deletes import delete_node
from airflow_provider_canfar.emulator.storage.listing import Listing
from airflow_provider_canfar.emulator.storage.node_faults import node_fault
from airflow_provider_canfar.emulator.storage.node_uri import (
    document_names,
    node_path,
    node_uri,
    requested_names,
)
from airflow_provider_canfar.emulator.storage.node_xml import NodeDocument, node_type, read_node
from airflow_provider_canfar.emulator.storage.properties import changed_properties

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import Route

    from airflow_provider_canfar.emulator.api.parameters import Parameters
    from airflow_provider_canfar.emulator.faults.switched import Faults
    from airflow_provider_canfar.emulator.storage.endpoints import StorageEndpoints
    from airflow_provider_canfar.emulator.storage.node_tree import Node, NodeTree
    from airflow_provider_canfar.emulator.storage.node_uri import Names
    from airflow_provider_canfar.emulator.storage.quota import Quota

NODES = "/arc/nodes"
MAX_DOCUMENT = 32 * 1024  # InlineNodeHandler.INPUT_LIMIT


class NodeRoutes:
    """Lists folders; creates, changes and deletes nodes.

    :param tree: has the nodes.
    :param quota: limits their size.
    :param faults: the faults that are switched on.
    :param endpoints: authenticates requests.
    """

    def __init__(self, tree: NodeTree, quota: Quota, faults: Faults, endpoints: StorageEndpoints) -> None:
        self._tree = tree
        self._quota = quota
        self._faults = faults
        self._endpoints = endpoints

    def routes(self) -> list[Route]:
        """Return the routes."""
        handlers = {"GET": self._get, "PUT": self._put, "POST": self._post, "DELETE": self._delete}
        return [self._endpoints.route(path, **handlers) for path in (NODES, f"{NODES}/{{path:path}}")]

    async def _get(self, request: Request, caller: str | None) -> Response:
        names = requested_names(request, NODES)
        parameters = await read_parameters(request)
        if (parameters.first("view") or "").lower() == "data":
            return _redirect_to_bytes(request, names)
        node = self._tree.resolve(names, caller, follow=False)
        if node is None:
            raise node_fault("NodeNotFound", node_uri(names))
        limit = _limit(parameters, names) if node.is_container else None
        race = self._faults.fire(storage_faults.ListRace, "GET", request.url.path) if limit != 0 else None
        _check_media_type(parameters)
        listing = Listing(self._tree, self._quota, caller, parameters.first("detail"))
        text = await asyncio.to_thread(
            listing.document, node, with_children=limit != 0, vanishes_after=race.after if race else None
        )
        return xml_response(text)

    async def _put(self, request: Request, caller: str | None) -> Response:
        """Create a node (*CreateNodeAction*)."""
        names, described = await self._described(request)
        uri = node_uri(names)
        if not names:
            raise internal_error("java.lang.NullPointerException")
        parent = self._tree.resolve(names[:-1], caller, follow=True)
        if parent is None or not parent.is_container:
            raise node_fault("ContainerNotFound", uri)
        if self._tree.child(parent, names[-1]):
            raise node_fault("DuplicateNode", uri)
        if not self._tree.may_write(parent, caller):
            if described.type == "ContainerNode" and parent.names and parent.is_allocation_parent:
                raise HttpError(403, "permission denied: self-allocate is not enabled")
            raise node_fault("PermissionDenied", uri)
        node = self._create(parent, names[-1], described.type, request.url.path)
        self._change_properties(node, described)
        return await self._document(node, caller, 201)

    async def _post(self, request: Request, caller: str | None) -> Response:
        """Change properties (*UpdateNodeAction*)."""
        names, described = await self._described(request)
        node = self._tree.resolve(names, caller, follow=False)
        if node is None:
            raise node_fault("NodeNotFound", f"Target {node_uri(names)}")
        if node_type(node) != described.type:
            sentence = f"invalid input: cannot change type of node {node_path(names)} from {node_type(node)}"
            raise node_fault("InvalidArgument", f"{sentence} to {described.type}")
        if not self._tree.may_write(node, caller):
            raise node_fault("PermissionDenied", node_path(names))
        self._change_properties(node, described)
        return await self._document(node, caller, 200)

    async def _delete(self, request: Request, caller: str | None) -> Response:
        """Delete a file, a link or an empty folder (*DeleteNodeAction*)."""
        names = requested_names(request, NODES)
        node = self._tree.resolve(names, caller, follow=False)
        if node is None:
            raise node_fault("NodeNotFound", f"Target {node_uri(names)}")
        delete_node(self._tree, node, caller)
        return Response()

    async def _described(self, request: Request) -> tuple[Names, NodeDocument]:
        """Return the names in the path, and the document in the body, whose URI has to be the same."""
        names = requested_names(request, NODES)
        described = read_node(await read_document(request))
        document = document_names(described.uri)
        if document != names:
            sentence = f"invalid input: vos URI mismatch: doc={described.uri} and path={node_uri(names)}"
            raise node_fault("InvalidURI", sentence)
        return names, described

    def _create(self, parent: Node, name: str, kind: str, path: str) -> Node:
        if kind == "DataNode":
            return self._tree.create_file(parent, name)
        if kind == "LinkNode":
            raise node_fault("TypeNotSupported", "the emulator creates no links; a session can")
        if self._faults.fire(storage_faults.MkdirRace, "PUT", path):
            self._tree.create_folder(parent, name)
        return self._tree.create_folder(parent, name)

    def _change_properties(self, node: Node, described: NodeDocument) -> None:
        if described.properties:
            stored = self._tree.properties.read(node.path)
            self._tree.properties.write(node.path, changed_properties(stored, described.properties))

    async def _document(self, node: Node, caller: str | None, status: int) -> Response:
        listing = Listing(self._tree, self._quota, caller, "full")
        response = xml_response(await asyncio.to_thread(listing.document, node, with_children=False))
        response.status_code = status
        return response


async def read_document(request: Request) -> bytes:
    """Return a body that is a document.

    :raises HttpError: 400 for a long one.
    """
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_DOCUMENT:
            raise bad_request("RequestEntityTooLarge: invalid document too large (max: 32KiB)")
    return body


def _limit(parameters: Parameters, names: Names) -> int | None:
    """Check how a list is asked for, and return its limit; only a limit of 0 has an effect.

    :raises HttpError: 400 for what the service cannot do (*GetNodeAction*,
        *FileSystemNodePersistence.iterator*).
    """
    for name, word in (("sort", "sort by"), ("order", "sort order")):
        value = parameters.first(name)
        if value is not None:
            raise bad_request(f"{word} {value}")
    text, start = parameters.first("limit"), parameters.first("uri")
    if text is not None and not text.removeprefix("+").isdecimal():
        raise node_fault("InvalidArgument", "value for limit must be a positive integer.")
    if start and document_names(start)[:-1] != names:
        raise node_fault(
            "InvalidURI", f"uri parameter ({start}) not a child of target uri ({node_uri(names)})."
        )
    limit = None if text is None else int(text)
    if start and limit != 0:
        sentence = "batch container node listing: limit ignored, resume not implemented"
        raise node_fault("OptionNotSupported", sentence)
    return limit


def _check_media_type(parameters: Parameters) -> None:
    """Check the parameter ``Accept`` (*NodeAction.getMediaType*); the emulator has no JSON."""
    accept = parameters.first("Accept")
    if accept is not None and accept.lower() != "text/xml":
        raise node_fault("InvalidArgument", f"Media type {accept} not supported")


def _redirect_to_bytes(request: Request, names: Names) -> Response:
    """Redirect to the file below ``/arc/files``; the server leaves out the port, whatever it is."""
    host = request.url.hostname or ""
    host = f"[{host}]" if ":" in host else host
    location = f"{request.url.scheme}://{host}/arc/files{quote(node_path(names))}"
    return Response(status_code=303, headers={"Location": location})
