"""Says where the bytes of a file are read or written: ``/arc/synctrans`` (*TransferRunner*)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from airflow_provider_canfar.emulator.api.http_errors import HttpError, bad_request
from airflow_provider_canfar.emulator.api.parameters import read_parameters
from airflow_provider_canfar.emulator.api.responses import xml_response
from airflow_provider_canfar.emulator.api.serializers import base_url
from airflow_provider_canfar.emulator.storage.jobs import COMPLETED, Job
from airflow_provider_canfar.emulator.storage.node_faults import node_fault
from airflow_provider_canfar.emulator.storage.node_routes import read_document
from airflow_provider_canfar.emulator.storage.node_uri import child_uri, document_names, node_path
from airflow_provider_canfar.emulator.storage.preauth import READ, WRITE
from airflow_provider_canfar.emulator.storage.transfers import (
    PULL,
    PUSH,
    Protocol,
    Transfer,
    read_transfer,
    transfer_document,
)

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import Route

    from airflow_provider_canfar.emulator.storage.endpoints import StorageEndpoints
    from airflow_provider_canfar.emulator.storage.jobs import Jobs
    from airflow_provider_canfar.emulator.storage.node_tree import Node, NodeTree
    from airflow_provider_canfar.emulator.storage.node_uri import Names
    from airflow_provider_canfar.emulator.storage.preauth import Preauthorization
    from airflow_provider_canfar.emulator.storage.quota import Quota

TOKEN = "ivo://ivoa.net/sso#token"  # noqa: S105 - the name of a security method


class Negotiation:
    """Negotiates transfers.

    Its jobs are those of ``/arc/transfers``.

    :param tree: has the nodes.
    :param quota: limits them.
    :param jobs: remembers what was negotiated.
    :param preauthorization: makes addresses that need no credential.
    :param endpoints: authenticates requests.
    """

    def __init__(
        self,
        tree: NodeTree,
        quota: Quota,
        jobs: Jobs,
        preauthorization: Preauthorization,
        endpoints: StorageEndpoints,
    ) -> None:
        self._tree = tree
        self._quota = quota
        self._jobs = jobs
        self._preauthorization = preauthorization
        self._endpoints = endpoints

    def routes(self) -> list[Route]:
        """Return the routes."""
        route = self._endpoints.route
        return [route("/arc/synctrans", POST=self._negotiate), route("/arc/xfer/{id}", GET=self._details)]

    async def _negotiate(self, request: Request, caller: str | None) -> Response:
        """Redirect to the bytes after a request with parameters, or to a document with addresses.

        After an error, that document has no addresses; its job knows why.
        """
        parameters = await read_parameters(request)
        if parameters.pairs:
            target, direction, protocol = (
                parameters.first(name) for name in ("TARGET", "DIRECTION", "PROTOCOL")
            )
            if not (target and direction and protocol):
                values = f"TARGET={target} DIRECTION={direction} PROTOCOL={protocol}"
                raise bad_request(f"Invalid input: missing parameters: {values}")
            transfer = Transfer(target, direction, (Protocol(protocol),))
            node = self._node(transfer, caller)
            location = self._protocols(transfer, node, caller, base_url(request))[0].endpoint
            return RedirectResponse(str(location), 303)
        transfer = read_transfer(await read_document(request))
        job = self._jobs.add(Job(caller, partial(self._result, transfer, caller), transfer=transfer))
        await job.run()
        service = f"{base_url(request)}/arc"
        job.results = {**job.results, "transferDetails": f"{service}/xfer/{job.id}"}
        return RedirectResponse(f"{service}/transfers/{job.id}/results/transferDetails", 303)

    async def _details(self, request: Request, caller: str | None) -> Response:
        """Return the document with the addresses (*TransferDetailsServlet*)."""
        job = self._jobs.get(request.path_params["id"], caller)
        if job.transfer is None:
            raise bad_request("not a transfer")
        protocols: list[Protocol] = []
        if job.phase == COMPLETED:
            node = negotiated_node(self._tree, job.transfer, caller)
            protocols = self._protocols(job.transfer, node, caller, base_url(request))
        return xml_response(transfer_document(job.transfer, protocols))

    def _result(self, transfer: Transfer, caller: str | None) -> dict[str, str]:
        return {"dataNode": child_uri(self._node(transfer, caller).names)}

    def _node(self, transfer: Transfer, caller: str | None) -> Node:
        """Return the file whose bytes are transferred.

        :raises HttpError: 413 for an upload when its quota is full (*VOSpaceTransfer.checkQuota*).
        """
        node = negotiated_node(self._tree, transfer, caller)
        if transfer.direction == PUSH and self._quota.room(node).is_full:
            raise HttpError(413, "QuotaExceeded")
        return node

    def _protocols(self, transfer: Transfer, node: Node, caller: str | None, url: str) -> list[Protocol]:
        """Return an address for each way that the client knows (*CavernURLGenerator.handleDataNode*).

        Without a security method there is one with a token, and for a download one without.
        """
        files, path = f"{url}/arc/files", quote(node_path(node.names))
        found = []
        for protocol in transfer.protocols:
            if protocol.security_method is None:
                grant = READ if transfer.direction == PULL else WRITE
                token = self._preauthorization.token(node.names, grant, caller)
                found.append(Protocol(protocol.uri, None, f"{files}/{token}{path}"))
            if protocol.security_method == TOKEN or (
                protocol.security_method is None and transfer.direction == PULL
            ):
                found.append(Protocol(protocol.uri, protocol.security_method, f"{files}{path}"))
        if not found:
            raise bad_request("requested transfer specs not supported")
        return found


def negotiated_node(tree: NodeTree, transfer: Transfer, caller: str | None) -> Node:
    """Return the file whose bytes are transferred; a new one is created (*PullFromVOSpaceNegotiation*).

    :raises HttpError: when the server refuses the transfer.
    """
    names = document_names(transfer.target)
    if transfer.direction == PUSH:
        return _pushed_node(tree, names, caller)
    if transfer.direction != PULL:
        raise bad_request(f"InternalFault (invalid direction: {transfer.direction})")
    node = tree.resolve(names, caller, follow=True)
    if node is None or not node.is_data:
        raise bad_request("target is not a data node")
    if not tree.may_read(node, caller):
        raise HttpError(403, "PermissionDenied")
    return node


def _pushed_node(tree: NodeTree, names: Names, caller: str | None) -> Node:
    """Return the file that an upload writes (*PushToVOSpaceNegotiation*)."""
    node = tree.resolve(names, caller, follow=True)
    parent = tree.resolve(names[:-1], caller, follow=True) if names else None
    if node is None and (parent is None or not parent.is_container):
        raise node_fault("ContainerNotFound", node_path(names))
    if node is None and parent is not None:
        if not tree.may_write(parent, caller):
            raise HttpError(403, "PermissionDenied")
        return tree.create_file(parent, names[-1])
    if node is None or not node.is_data:
        raise node_fault("InvalidArgument", "transfer destination is not a data node")
    if not tree.may_write(node, caller):
        raise HttpError(403, "PermissionDenied")
    return node
