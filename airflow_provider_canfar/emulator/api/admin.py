"""The emulator's own endpoints: what happened, what shall go wrong, and how fast things go.

None of it is part of the platform. All of it takes the token that the emulator was started with, and no fault
strikes it.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from airflow_provider_canfar.emulator.api.credentials import authorization
from airflow_provider_canfar.emulator.api.http_errors import HttpError, bad_request
from airflow_provider_canfar.emulator.api.overview import as_line, as_opened
from airflow_provider_canfar.emulator.api.serializers import as_recorded, base_url

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from airflow_provider_canfar.emulator.api.accounts import Accounts
    from airflow_provider_canfar.emulator.api.request_counter import RequestCounter
    from airflow_provider_canfar.emulator.runtime.platform import Platform


class Admin:
    """The endpoints under ``/emulator``.

    ==============================================  =========================================================
    ``GET /emulator/sessions``                      every session ever created, oldest first
    ``GET /emulator/sessions/{id}``                 one of them, with its events and the end of its log
    ``GET /emulator/overview``                      what the page shows: a line for each, and the faults
    ``POST /emulator/sessions/{id}/vanish``         the platform forgets it at once
    ``POST /emulator/sessions/{id}/preempt``        Running becomes Pending, and it starts from scratch
    ``GET``, ``DELETE /emulator/requests``          how often each call was made; begin again at zero
    ``GET``, ``PUT``, ``DELETE /emulator/faults``   what is on; switch some on, or off by null; switch all off
    ``GET``, ``PUT /emulator/config``                see and turn them
    ``POST /emulator/token``                        end all tokens; ``{"token": ...}`` is the only good one
    ==============================================  =========================================================

    :param stop_listening: makes connections be refused, for as many seconds.
    """

    def __init__(
        self,
        platform: Platform,
        accounts: Accounts,
        traffic: RequestCounter,
        stop_listening: Callable[[float], None],
    ) -> None:
        self._platform = platform
        self._accounts = accounts
        self._faults = platform.faults
        self._traffic = traffic
        self._stop_listening = stop_listening

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            self._route("/emulator/sessions", GET=self._sessions),
            self._route("/emulator/sessions/{id}", GET=self._session),
            self._route("/emulator/sessions/{id}/{what}", POST=self._happen),
            self._route("/emulator/overview", GET=self._overview),
            self._route("/emulator/requests", GET=self._requests, DELETE=self._forget_requests),
            self._route(
                "/emulator/faults", GET=self._show_faults, PUT=self._switch_on, DELETE=self._switch_off
            ),
            self._route("/emulator/config", GET=self._show_dials, PUT=self._turn),
            self._route("/emulator/token", POST=self._rotate),
        ]

    def _route(self, path: str, **answers: Callable[[Request], Awaitable[Any]]) -> Route:
        async def endpoint(request: Request) -> Response:
            try:
                if authorization(request) != f"Bearer {self._platform.settings.token}":
                    raise HttpError(401, "the emulator's own endpoints want the token it was started with")
                return JSONResponse(await answers[request.method](request))
            except ValueError as error:
                return _said(bad_request(str(error)))
            except HttpError as refusal:
                return _said(refusal)

        return Route(path, endpoint, methods=[*answers])

    async def _sessions(self, request: Request) -> list[dict[str, Any]]:
        return [as_recorded(session) for session in self._platform.every_session()]

    async def _session(self, request: Request) -> dict[str, Any]:
        session = self._platform.recorded(request.path_params["id"])
        return await asyncio.to_thread(as_opened, session, base_url(request))

    async def _overview(self, request: Request) -> dict[str, Any]:
        root = base_url(request)
        return {
            "user": self._platform.settings.user,
            "now": self._platform.now(),
            "sessions": [as_line(session, root) for session in self._platform.every_session()],
            "faults": self._faults.as_json(),
        }

    async def _happen(self, request: Request) -> dict[str, Any]:
        session_id, what = request.path_params["id"], request.path_params["what"]
        match what:
            case "vanish":
                self._platform.vanish(session_id)
            case "preempt":
                self._platform.preempt(session_id)
            case _:
                raise ValueError(f"A session can vanish or be preempted here, not {what!r}.")
        return {}

    async def _requests(self, request: Request) -> dict[str, int]:
        return self._traffic.as_json()

    async def _forget_requests(self, request: Request) -> dict[str, int]:
        self._traffic.clear()
        return {}

    async def _show_faults(self, request: Request) -> dict[str, Any]:
        return self._faults.as_json()

    async def _switch_on(self, request: Request) -> dict[str, Any]:
        self._faults.switch(await _object(request))
        outage = self._faults.get("outage")
        if outage and outage.mode == "refuse":
            self._stop_listening(outage.seconds)
        return self._faults.as_json()

    async def _switch_off(self, request: Request) -> dict[str, Any]:
        self._faults.clear()
        return {}

    async def _show_dials(self, request: Request) -> dict[str, float]:
        return dict(vars(self._platform.config))

    async def _turn(self, request: Request) -> dict[str, float]:
        self._platform.config = self._platform.config.updated(await _object(request))
        return dict(vars(self._platform.config))

    async def _rotate(self, request: Request) -> dict[str, Any]:
        self._accounts.rotate((await _object(request)).get("token"))
        return {}


async def _object(request: Request) -> dict[str, Any]:
    body = json.loads(await request.body() or b"{}")
    if not isinstance(body, dict):
        raise ValueError("The body is a JSON object.")
    return body


def _said(refusal: HttpError) -> Response:
    return JSONResponse({"error": refusal.sentence}, refusal.status)
