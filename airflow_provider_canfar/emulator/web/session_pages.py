"""The page of an interactive session, in place of the notebook or the desktop."""

from __future__ import annotations

from html import escape
from string import Template
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from airflow_provider_canfar.emulator.api.serializers import connect_url, timestamp
from airflow_provider_canfar.emulator.runtime.sessions import State
from airflow_provider_canfar.emulator.web.assets import HEADERS, asset

if TYPE_CHECKING:
    from starlette.requests import Request

    from airflow_provider_canfar.emulator.runtime.platform import Platform
    from airflow_provider_canfar.emulator.runtime.sessions import Session

NO_ROUTE = "404 page not found\n"
NO_SERVER = "no available server\n"


class SessionPages:
    """The connect URLs of all sessions.

    They need no credential, like the platform's: anyone with a session's address can open it.

    :param platform: has the sessions.
    """

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def routes(self) -> list[Route]:
        """Return the routes."""
        path = "/session/{kind}/{id}"
        return [Route(path, self._open), Route(f"{path}/{{rest:path}}", self._open)]

    async def _open(self, request: Request) -> Response:
        """Respond as the session's program would, or as the proxy in front of it.

        The proxy has no route before there is a pod and after the session's end, and no server while the pod
        is getting ready.
        """
        kind, session_id = request.path_params["kind"], request.path_params["id"]
        session = self._platform.session(session_id)
        if (
            session is None
            or session.deleted
            or not connect_url(session, "").startswith(f"/session/{kind}/{session_id}/")
        ):
            return PlainTextResponse(NO_ROUTE, 404)
        match session.state:
            case State.RUNNING:
                return HTMLResponse(_page(session), headers=HEADERS)
            case State.PULLING:
                return PlainTextResponse(NO_SERVER, 503)
            case _:
                return PlainTextResponse(NO_ROUTE, 404)


def _page(session: Session) -> str:
    request = session.request
    fields = {
        "kind": request.kind,
        "name": request.name,
        "id": session.id,
        "status": session.state.status,
        "image": request.image,
        "user": session.user,
        "started": timestamp(session.started) or "",
        "expires": timestamp(session.started, session.deadline) or "",
    }
    return Template(asset("session.html")).substitute({key: escape(value) for key, value in fields.items()})
