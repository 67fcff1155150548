"""The platform's calls about itself: its limits, its images and its capabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from airflow_provider_canfar.emulator.api import documents
from airflow_provider_canfar.emulator.api.http_errors import bad_request
from airflow_provider_canfar.emulator.api.platform_routes import PlatformRoutes
from airflow_provider_canfar.emulator.api.request_rules import CONTEXT
from airflow_provider_canfar.emulator.api.responses import json_response, xml_response
from airflow_provider_canfar.emulator.api.serializers import base_url
from airflow_provider_canfar.emulator.runtime.sessions import KINDS

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from airflow_provider_canfar.emulator.api.parameters import Parameters


class ServiceRoutes(PlatformRoutes):
    """Describes the platform."""

    def routes(self) -> list[Route]:
        """Return the routes; capabilities and availability need no credential."""
        route = self._endpoints.route
        return [
            route("/skaha/v1/context", GET=self._context),
            route("/skaha/v1/image", GET=self._images),
            route("/skaha/v1/repository", GET=self._repositories),
            Route("/skaha/capabilities", self._capabilities),
            Route("/skaha/availability", self._availability),
        ]

    async def _context(self, request: Request, parameters: Parameters) -> Response:
        # A string, on a server that reads the context from a file.
        maximum = str(int(self._platform.config.max_interactive))
        return json_response({**CONTEXT, "maxInteractiveSessions": maximum})

    async def _images(self, request: Request, parameters: Parameters) -> Response:
        kind = parameters.first("type")
        if kind is not None and kind not in KINDS:
            raise bad_request(f"unknown type: {kind}")
        return json_response(self._platform.settings.images.catalogue(kind))

    async def _repositories(self, request: Request, parameters: Parameters) -> Response:
        return json_response(list(self._platform.settings.images.hosts))

    async def _capabilities(self, request: Request) -> Response:
        return xml_response(documents.capabilities(f"{base_url(request)}/skaha"))

    async def _availability(self, request: Request) -> Response:
        return xml_response(documents.AVAILABILITY)
