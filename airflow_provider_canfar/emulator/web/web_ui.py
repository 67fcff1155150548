"""The emulator's own page for a browser, and its login."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from airflow_provider_canfar.emulator.api.credentials import delete_cookie, set_cookie
from airflow_provider_canfar.emulator.web.assets import HEADERS, PAGE_FILES, asset

if TYPE_CHECKING:
    from starlette.requests import Request


class WebUI:
    """The page at ``/``, its files, and the login that lets it call the API.

    The files contain nothing about sessions, so they need no credential.

    :param token: the token that the emulator was started with.
    """

    def __init__(self, token: str) -> None:
        self._token = token

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/", self._page),
            Route("/emulator/page/{name}", self._file),
            Route("/emulator/login", self._log_in, methods=["POST"]),
            Route("/emulator/login", self._log_out, methods=["DELETE"]),
        ]

    async def _page(self, request: Request) -> Response:
        return HTMLResponse(asset("index.html"), headers=HEADERS)

    async def _file(self, request: Request) -> Response:
        name = request.path_params["name"]
        media_type = PAGE_FILES.get(name)
        if media_type is None:
            return PlainTextResponse("Not Found", 404)
        return Response(asset(name), media_type=media_type, headers=HEADERS)

    async def _log_in(self, request: Request) -> Response:
        """Exchange the token for a cookie.

        The token comes in a header, because a page of another origin cannot set one.
        """
        if request.headers.get("authorization") != f"Bearer {self._token}":
            return JSONResponse({"error": "this is not the token that the emulator was started with"}, 401)
        response = JSONResponse({})
        set_cookie(response, self._token)
        return response

    async def _log_out(self, request: Request) -> Response:
        response = JSONResponse({})
        delete_cookie(response)
        return response
