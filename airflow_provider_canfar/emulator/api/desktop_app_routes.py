"""The platform's calls about desktop apps, the programs in a desktop: ``/skaha/v1/session/{id}/app``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_canfar.emulator.api import request_rules
from airflow_provider_canfar.emulator.api.http_errors import bad_request, not_found, session_not_found
from airflow_provider_canfar.emulator.api.platform_routes import PlatformRoutes
from airflow_provider_canfar.emulator.api.responses import json_response, text_response
from airflow_provider_canfar.emulator.api.rows import cell, filtered, listed_rows, public
from airflow_provider_canfar.emulator.runtime.sessions import DESKTOP, DESKTOP_APP

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from airflow_provider_canfar.emulator.api.parameters import Parameters


class DesktopAppRoutes(PlatformRoutes):
    """Lists, shows, attaches and deletes desktop apps.

    The server does not read the word behind the session's id: ``/session/{id}/anything`` is about apps, too
    (*SessionAction.initRequest*).
    """

    def routes(self) -> list[Route]:
        """Return the routes."""
        route, path = self._endpoints.route, "/skaha/v1/session"
        return [
            route(f"{path}/{{id}}/{{word}}", GET=self._list, POST=self._attach, DELETE=self._delete_all),
            route(f"{path}/{{id}}/{{word}}/{{app}}", GET=self._get, POST=self._modify, DELETE=self._delete),
            route(f"{path}/{{path:path}}", GET=self._reject, POST=self._reject, DELETE=self._reject),
        ]

    async def _list(self, request: Request, parameters: Parameters) -> Response:
        """Respond with the user's desktop apps in all desktops: the session's id plays no part."""
        rows = filtered(listed_rows(self._platform, request), DESKTOP_APP, parameters.first("status"))
        is_public = parameters.first("view") == "all"
        return json_response([public(row) for row in rows] if is_public else rows)

    async def _attach(self, request: Request, parameters: Parameters) -> Response:
        """Start an app in a desktop that has a pod (*PostAction.attachDesktopApp*)."""
        image = parameters.first("image")
        if image is None:
            raise bad_request("Missing parameter 'image'")
        cores, ram = request_rules.check_resources(parameters)
        session_id = request.path_params["id"]
        desktop = self._platform.session(session_id)
        if desktop is None or desktop.request.kind != DESKTOP or not desktop.started or desktop.deleted:
            raise session_not_found(session_id)
        app = self._platform.attach_app(desktop, image, cores, ram)
        return text_response(f"{app.app_id}\n")

    async def _get(self, request: Request, parameters: Parameters) -> Response:
        session_id, app_id = request.path_params["id"], request.path_params["app"]
        for row in filtered(listed_rows(self._platform, request), DESKTOP_APP, None):
            if (cell(row, "id"), cell(row, "appid")) == (session_id, app_id):
                return json_response(row)
        raise not_found(f"desktop app with session {session_id} and app ID {app_id} was not found")

    async def _modify(self, request: Request, parameters: Parameters) -> Response:
        if parameters.first("image") is None:
            raise bad_request("Missing parameter 'image'")
        raise bad_request("Cannot modify an existing app.")

    async def _delete(self, request: Request, parameters: Parameters) -> Response:
        """Delete an app; an unknown one is ignored (*SessionDAO.deleteDesktopApplicationJob*)."""
        app = self._platform.app(request.path_params["id"], request.path_params["app"])
        if app:
            self._platform.delete_session(app)
        return text_response("")

    async def _delete_all(self, request: Request, parameters: Parameters) -> Response:
        raise bad_request("Missing app ID")

    async def _reject(self, request: Request, parameters: Parameters) -> Response:
        raise bad_request(f"Invalid request: {request.path_params['path']}")
