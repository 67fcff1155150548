"""What a person with a browser meets: the emulator's page, and its login."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from airflow_provider_canfar.emulator.api import credentials
from airflow_provider_canfar.emulator.web.assets import HEADERS, asset

if TYPE_CHECKING:
    from starlette.requests import Request


class WebUI:
    """The page at ``/``, its parts, and the login that lets it call everything else.

    The page itself says nothing about sessions, so that anybody may have it.

    :param token: what the emulator was started with.
    """

    def __init__(self, token: str) -> None:
        self._token = token

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/", self._page),
            Route("/emulator/page.css", self._style),
            Route("/emulator/page.js", self._script),
            Route("/emulator/login", self._log_in, methods=["POST"]),
            Route("/emulator/login", self._log_out, methods=["DELETE"]),
        ]

    async def _page(self, request: Request) -> Response:
        return HTMLResponse(asset("index.html"), headers=HEADERS)

    async def _style(self, request: Request) -> Response:
        return Response(asset("page.css"), media_type="text/css", headers=HEADERS)

    async def _script(self, request: Request) -> Response:
        return Response(asset("page.js"), media_type="text/javascript", headers=HEADERS)

    async def _log_in(self, request: Request) -> Response:
        """Give the browser a cookie for a token.

        The token comes in the header, which the page of another origin cannot set.
        """
        if request.headers.get("authorization") != f"Bearer {self._token}":
            return JSONResponse({"error": "this is not the token that the emulator was started with"}, 401)
        response = JSONResponse({})
        credentials.keep(response, self._token)
        return response

    async def _log_out(self, request: Request) -> Response:
        response = JSONResponse({})
        credentials.drop(response)
        return response


def to_login(request: Request) -> Response:
    """Send a browser to the page, which logs in and comes back."""
    path, query = request.url.path, request.url.query
    back = urlencode({"next": f"{path}?{query}" if query else path})
    return RedirectResponse(f"/?{back}", 303, headers={"Cache-Control": "no-store"})
