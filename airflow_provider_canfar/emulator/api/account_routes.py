"""The calls of the platform's access control service: log in, and look up the user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import RedirectResponse
from starlette.routing import Route

from airflow_provider_canfar.emulator.api import documents
from airflow_provider_canfar.emulator.api.http_errors import HttpError
from airflow_provider_canfar.emulator.api.parameters import read_parameters
from airflow_provider_canfar.emulator.api.responses import error_response, text_response, xml_response
from airflow_provider_canfar.emulator.api.serializers import base_url

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from airflow_provider_canfar.emulator.api.accounts import Accounts
    from airflow_provider_canfar.emulator.api.endpoints import Endpoints
    from airflow_provider_canfar.emulator.api.parameters import Parameters


class AccountRoutes:
    """The calls under ``/ac``.

    :param accounts: has the user.
    :param endpoints: authenticates requests.
    :param token_lifetime: returns how many seconds a new token is valid.
    """

    def __init__(self, accounts: Accounts, endpoints: Endpoints, token_lifetime: Callable[[], float]) -> None:
        self._accounts = accounts
        self._endpoints = endpoints
        self._token_lifetime = token_lifetime

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/ac/login", self._login, methods=["POST"]),
            self._endpoints.route("/ac/whoami", GET=self._whoami),
            self._endpoints.route("/ac/users/{name}", GET=self._user),
        ]

    async def _login(self, request: Request) -> Response:
        try:
            parameters = await read_parameters(request)
            user, password = parameters.first("username"), parameters.first("password")
            token = self._accounts.log_in(user, password, self._token_lifetime())
        except HttpError as error:
            return error_response(error)
        return text_response(token, headers={"x-vo-bearer": token, "X-VO-Authenticated": self._accounts.user})

    async def _whoami(self, request: Request, parameters: Parameters) -> Response:
        url = f"{base_url(request)}/ac/users/{self._accounts.user}?idType=HTTP"
        return RedirectResponse(url, status_code=303)

    async def _user(self, request: Request, parameters: Parameters) -> Response:
        return xml_response(documents.USER.format(user=self._accounts.user))
