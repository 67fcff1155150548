"""What every call of the platform's API has in common: authentication, parameters and error responses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from airflow_provider_canfar.emulator.api.credentials import (
    authorization,
    needs_login_page,
    redirect_to_login,
)
from airflow_provider_canfar.emulator.api.http_errors import HttpError
from airflow_provider_canfar.emulator.api.parameters import Parameters, check_head, read_parameters
from airflow_provider_canfar.emulator.api.responses import error_response
from airflow_provider_canfar.emulator.api.serializers import base_url

if TYPE_CHECKING:
    from airflow_provider_canfar.emulator.api.accounts import Accounts

ALL_METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"]

Handler = Callable[[Request, Parameters], Awaitable[Response]]


class Endpoints:
    """Makes routes whose handlers run only for authenticated requests.

    :param accounts: authenticates requests.
    :param token: the token that the emulator was started with; a browser without it is sent to the page.
    """

    def __init__(self, accounts: Accounts, token: str) -> None:
        self._accounts = accounts
        self._token = token

    def route(self, path: str, **handlers: Handler) -> Route:
        """Return a route.

        :param handlers: the handler of each HTTP method; other methods get a 405.
        """

        async def endpoint(request: Request) -> Response:
            try:
                handler = handlers.get(request.method)
                if handler is None:
                    raise HttpError(
                        405, f"unsupported: HTTP {request.method}", {"Allow": ", ".join(handlers)}
                    )
                return await self._respond(handler, request)
            except HttpError as error:
                return error_response(error)

        return Route(path, endpoint, methods=ALL_METHODS)

    async def _respond(self, handler: Handler, request: Request) -> Response:
        check_head(request)
        login_url = f"{base_url(request)}/ac/login"
        try:
            user = self._accounts.authenticate(authorization(request), login_url)
        except HttpError:
            if needs_login_page(request, self._token):
                return redirect_to_login(request)
            raise
        response = await handler(request, await read_parameters(request))
        response.headers["X-VO-Authenticated"] = user
        return response
