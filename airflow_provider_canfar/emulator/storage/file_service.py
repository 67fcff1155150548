"""All routes of the file service, and what it says about itself."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from starlette.routing import Route

from airflow_provider_canfar.emulator.api import documents
from airflow_provider_canfar.emulator.api.http_errors import HttpError, bad_request
from airflow_provider_canfar.emulator.api.parameters import read_parameters
from airflow_provider_canfar.emulator.api.responses import json_response, xml_response
from airflow_provider_canfar.emulator.api.serializers import base_url
from airflow_provider_canfar.emulator.storage.deletes import delete_all
from airflow_provider_canfar.emulator.storage.endpoints import StorageEndpoints
from airflow_provider_canfar.emulator.storage.file_routes import FileRoutes
from airflow_provider_canfar.emulator.storage.job_routes import JobRoutes
from airflow_provider_canfar.emulator.storage.jobs import Job
from airflow_provider_canfar.emulator.storage.moves import move_node
from airflow_provider_canfar.emulator.storage.negotiation import Negotiation
from airflow_provider_canfar.emulator.storage.node_routes import NodeRoutes, read_document
from airflow_provider_canfar.emulator.storage.node_tree import NodeTree
from airflow_provider_canfar.emulator.storage.node_uri import document_names
from airflow_provider_canfar.emulator.storage.preauth import Preauthorization
from airflow_provider_canfar.emulator.storage.quota import Quota
from airflow_provider_canfar.emulator.storage.transfers import read_transfer

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from airflow_provider_canfar.emulator.api.accounts import Accounts
    from airflow_provider_canfar.emulator.api.disconnect import CloseConnection
    from airflow_provider_canfar.emulator.runtime.platform import Platform

SECURITY_METHODS = "\n      <securityMethod />" + documents.SECURITY_METHODS
STANDARDS = {
    "ivo://ivoa.net/std/VOSI#capabilities": ("full", "capabilities", ""),
    "ivo://ivoa.net/std/VOSI#availability": ("full", "availability", ""),
    "ivo://ivoa.net/std/VOSpace/v2.0#nodes": ("base", "nodes", SECURITY_METHODS),
    "ivo://ivoa.net/std/VOSpace#files-proto": ("base", "files", SECURITY_METHODS),
    "ivo://ivoa.net/std/VOSpace/v2.0#transfers": ("full", "transfers", SECURITY_METHODS),
    "ivo://ivoa.net/std/VOSpace#sync-2.1": ("full", "synctrans", SECURITY_METHODS),
    "ivo://ivoa.net/std/VOSpace#recursive-delete-proto": ("full", "async-delete", SECURITY_METHODS),
}
"""By standard: how its URL is used, the path below ``/arc``, and how to authenticate (*capabilities.xml*)."""


class FileService:
    """The calls under ``/arc``.

    ``GET /arc/mount`` is the emulator's own: the platform mounts the storage at ``/arc`` in each session, and
    here sessions are local processes, which find it in another folder.

    :param platform: has the folder, the faults and the limits.
    :param accounts: authenticates requests.
    :param close_connection: closes the connection of a client.
    """

    def __init__(self, platform: Platform, accounts: Accounts, close_connection: CloseConnection) -> None:
        self._platform = platform
        self._endpoints = StorageEndpoints(accounts, platform.settings.token)
        tree = NodeTree(platform.storage, platform.settings.user)
        quota = Quota(tree, lambda: platform.config)
        self._tree = tree
        preauthorization = Preauthorization()
        moves = JobRoutes("/arc/transfers", self._move_job, self._endpoints)
        self._parts = (
            FileRoutes(tree, quota, preauthorization, platform.faults, self._endpoints, close_connection),
            NodeRoutes(tree, quota, platform.faults, self._endpoints),
            moves,
            JobRoutes("/arc/async-delete", self._delete_job, self._endpoints),
            Negotiation(tree, quota, moves.jobs, preauthorization, self._endpoints),
        )

    def routes(self) -> list[Route]:
        """Return the routes; capabilities and availability need no credential."""
        return [
            *(route for part in self._parts for route in part.routes()),
            Route("/arc/capabilities", self._capabilities),
            Route("/arc/availability", self._availability),
            self._endpoints.route("/arc/mount", GET=self._mount),
        ]

    async def _capabilities(self, request: Request) -> Response:
        service = f"{base_url(request)}/arc"
        entries = [
            documents.CAPABILITY.format(standard=standard, use=use, url=f"{service}/{path}", methods=methods)
            for standard, (use, path, methods) in STANDARDS.items()
        ]
        return xml_response(documents.CAPABILITIES.format(capabilities="\n".join(entries)))

    async def _availability(self, request: Request) -> Response:
        return xml_response(documents.AVAILABILITY)

    async def _mount(self, request: Request, caller: str | None) -> Response:
        if caller is None:
            raise HttpError(403, "permission denied")
        return json_response({"storage_mount": str(self._platform.storage)})

    async def _move_job(self, request: Request, caller: str | None) -> Job:
        transfer = read_transfer(await read_document(request))
        if not transfer.direction.startswith("vos://"):
            raise bad_request("the emulator's /arc/transfers moves nodes; /arc/synctrans is for their bytes")
        return Job(caller, partial(move_node, self._tree, transfer, caller))

    async def _delete_job(self, request: Request, caller: str | None) -> Job:
        target = (await read_parameters(request)).first("target")
        if target is None:
            raise bad_request("target argument required")
        return Job(caller, partial(delete_all, self._tree, document_names(target), caller))
