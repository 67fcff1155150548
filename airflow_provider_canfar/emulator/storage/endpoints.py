"""What the calls of the file service have in common: authentication and error responses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from airflow_provider_canfar.emulator.api.accounts import CHALLENGES
from airflow_provider_canfar.emulator.api.credentials import (
    authorization,
    needs_login_page,
    redirect_to_login,
)
from airflow_provider_canfar.emulator.api.http_errors import HttpError, internal_error
from airflow_provider_canfar.emulator.api.parameters import check_head
from airflow_provider_canfar.emulator.api.responses import error_response
from airflow_provider_canfar.emulator.api.serializers import base_url

if TYPE_CHECKING:
    from airflow_provider_canfar.emulator.api.accounts import Accounts

METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"]
MAX_SWALLOWED = 2 * 1024 * 1024
"""How much of a body Tomcat reads after its response, before it closes the connection (*maxSwallowSize*)."""

Handler = Callable[[Request, str | None], Awaitable[Response]]
"""Handles a request of a user, or of None without a credential."""


class StorageEndpoints:
    """Makes the routes of the file service.

    Unlike the platform's other calls they take requests without a credential, and leave their bodies alone.

    :param accounts: authenticates requests.
    :param token: the token that the emulator was started with; a browser without it is sent to the page.
    """

    def __init__(self, accounts: Accounts, token: str) -> None:
        self._accounts = accounts
        self._token = token

    def route(self, path: str, **handlers: Handler) -> Route:
        """Return a route.

        :param handlers: the handler of each HTTP method; other methods get a 405 (*RestServlet*).
        """

        async def endpoint(request: Request) -> Response:
            try:
                handler = handlers.get(request.method)
                if handler is None:
                    sentence = f"unsupported: HTTP {request.method}"
                    raise HttpError(405, sentence, {"Allow": ", ".join(handlers)})
                check_head(request)
                return await self._respond(handler, request)
            except HttpError as error:
                return error_response(_closing(error, request))
            except OSError as error:
                return error_response(
                    _closing(internal_error(f"java.io.IOException: {error.strerror}"), request)
                )
            except ClientDisconnect:
                return Response(status_code=499)  # Not sent: the client is gone.

        return Route(path, endpoint, methods=METHODS)

    async def _respond(self, handler: Handler, request: Request) -> Response:
        login_url = f"{base_url(request)}/ac/login"
        header = authorization(request)
        caller = self._accounts.authenticate(header, login_url) if header else None
        try:
            response = await handler(request, caller)
        except HttpError as error:
            if error.status == 403 and needs_login_page(request, self._token):
                return redirect_to_login(request)
            if caller is None:
                error.headers["WWW-Authenticate"] = ", ".join(CHALLENGES).format(login=login_url)
            raise
        if caller is not None:
            response.headers["X-VO-Authenticated"] = caller
        return response


def _closing(error: HttpError, request: Request) -> HttpError:
    """Let an error close the connection of a client that has more to send than Tomcat reads."""
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length) > MAX_SWALLOWED:
        error.headers["Connection"] = "close"
    return error
