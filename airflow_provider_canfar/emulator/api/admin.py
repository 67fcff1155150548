"""The emulator's own admin API: what has happened, which faults are on, and times and limits.

The platform has no such calls. Each of them needs the token that the emulator was started with, and faults do
not affect them.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from airflow_provider_canfar.emulator.api.credentials import authorization
from airflow_provider_canfar.emulator.api.home_files import home_files
from airflow_provider_canfar.emulator.api.http_errors import (
    HttpError,
    bad_request,
    not_found,
    session_not_found,
)
from airflow_provider_canfar.emulator.api.overview import session_details, session_summary
from airflow_provider_canfar.emulator.api.serializers import base_url, recorded_session_json
from airflow_provider_canfar.emulator.faults.request_faults import Outage
from airflow_provider_canfar.emulator.runtime.sessions import State

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from airflow_provider_canfar.emulator.api.accounts import Accounts
    from airflow_provider_canfar.emulator.api.request_counter import RequestCounter
    from airflow_provider_canfar.emulator.runtime.platform import Platform
    from airflow_provider_canfar.emulator.runtime.sessions import Session


class AdminRoutes:
    """The calls under ``/emulator``.

    ==============================================  =========================================================
    ``GET /emulator/sessions``                      every session that was ever created, oldest first
    ``GET /emulator/sessions/{id}``                 one of them, with its events and the end of its log
    ``GET /emulator/overview``                      the page's data: all sessions in brief, and the faults
    ``GET /emulator/files``                         the files of the account's home
    ``POST /emulator/sessions/{id}/vanish``         makes the platform forget a session at once
    ``POST /emulator/sessions/{id}/preempt``        puts a running session back into the queue
    ``GET``, ``DELETE /emulator/requests``          returns the request counts; resets them
    ``GET``, ``PUT``, ``DELETE /emulator/faults``   returns the faults; switches some on or off; clears
    ``GET``, ``PUT /emulator/config``               returns the configuration; changes some of it
    ``POST /emulator/token``                        makes ``{"token": ...}`` the only valid token
    ==============================================  =========================================================

    :param platform: has the sessions, the faults and the configuration.
    :param accounts: has the tokens.
    :param request_counter: has the request counts.
    :param stop_listening: refuses connections for a number of seconds.
    """

    def __init__(
        self,
        platform: Platform,
        accounts: Accounts,
        request_counter: RequestCounter,
        stop_listening: Callable[[float], None],
    ) -> None:
        self._platform = platform
        self._accounts = accounts
        self._faults = platform.faults
        self._request_counter = request_counter
        self._stop_listening = stop_listening

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            self._route("/emulator/sessions", GET=self._all_sessions),
            self._route("/emulator/sessions/{id}", GET=self._session),
            self._route("/emulator/sessions/{id}/vanish", POST=self._vanish),
            self._route("/emulator/sessions/{id}/preempt", POST=self._preempt),
            self._route("/emulator/overview", GET=self._overview),
            self._route("/emulator/files", GET=self._files),
            self._route("/emulator/requests", GET=self._requests, DELETE=self._clear_requests),
            self._route(
                "/emulator/faults", GET=self._get_faults, PUT=self._update_faults, DELETE=self._clear_faults
            ),
            self._route("/emulator/config", GET=self._get_config, PUT=self._update_config),
            self._route("/emulator/token", POST=self._rotate_token),
        ]

    def _route(self, path: str, **handlers: Callable[[Request], Awaitable[Any]]) -> Route:
        async def endpoint(request: Request) -> Response:
            try:
                if authorization(request) != f"Bearer {self._platform.settings.token}":
                    raise HttpError(401, "the admin API needs the token that the emulator was started with")
                return JSONResponse(await handlers[request.method](request))
            except ValueError as error:
                return _error_response(bad_request(str(error)))
            except HttpError as error:
                return _error_response(error)

        return Route(path, endpoint, methods=[*handlers])

    async def _all_sessions(self, request: Request) -> list[dict[str, Any]]:
        return [recorded_session_json(session) for session in self._platform.all_sessions()]

    async def _session(self, request: Request) -> dict[str, Any]:
        session_id = request.path_params["id"]
        session = self._platform.recorded_session(session_id)
        if session is None:
            raise not_found(f"session {session_id} was never created")
        return await asyncio.to_thread(session_details, session, base_url(request))

    async def _overview(self, request: Request) -> dict[str, Any]:
        root = base_url(request)
        return {
            "user": self._platform.settings.user,
            "now": self._platform.now(),
            # Desktop apps have no row of their own on the page: they share the id of their desktop.
            "sessions": [
                session_summary(session, root)
                for session in self._platform.all_sessions()
                if session.app_id is None
            ],
            "faults": self._faults.as_json(),
        }

    async def _vanish(self, request: Request) -> dict[str, Any]:
        self._platform.vanish(self._remembered_session(request))
        return {}

    async def _preempt(self, request: Request) -> dict[str, Any]:
        session = self._remembered_session(request)
        if session.state is not State.RUNNING:
            raise bad_request(f"session {session.id} is not running, so it cannot be preempted")
        session.preempted.set()
        return {}

    def _remembered_session(self, request: Request) -> Session:
        session = self._platform.session(request.path_params["id"])
        if session is None:
            raise session_not_found(request.path_params["id"])
        return session

    async def _files(self, request: Request) -> dict[str, Any]:
        return await asyncio.to_thread(home_files, self._platform.home)

    async def _requests(self, request: Request) -> dict[str, int]:
        return self._request_counter.as_json()

    async def _clear_requests(self, request: Request) -> dict[str, int]:
        self._request_counter.clear()
        return {}

    async def _get_faults(self, request: Request) -> dict[str, Any]:
        return self._faults.as_json()

    async def _update_faults(self, request: Request) -> dict[str, Any]:
        self._faults.update(await _json_object(request))
        outage = self._faults.get(Outage)
        if outage and outage.mode == "refuse":
            self._stop_listening(outage.seconds)
        return self._faults.as_json()

    async def _clear_faults(self, request: Request) -> dict[str, Any]:
        self._faults.clear()
        return {}

    async def _get_config(self, request: Request) -> dict[str, Any]:
        return dict(vars(self._platform.config))

    async def _update_config(self, request: Request) -> dict[str, Any]:
        self._platform.config = self._platform.config.updated(await _json_object(request))
        return dict(vars(self._platform.config))

    async def _rotate_token(self, request: Request) -> dict[str, Any]:
        self._accounts.rotate((await _json_object(request)).get("token"))
        return {}


async def _json_object(request: Request) -> dict[str, Any]:
    body = json.loads(await request.body() or b"{}")
    if not isinstance(body, dict):
        raise ValueError("The body must be a JSON object.")
    return body


def _error_response(error: HttpError) -> Response:
    return JSONResponse({"error": error.sentence}, error.status)
