"""The platform's calls about sessions: ``/skaha/v1/session``."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

from airflow_provider_canfar.emulator.api import request_rules
from airflow_provider_canfar.emulator.api.event_table import event_table
from airflow_provider_canfar.emulator.api.http_errors import (
    bad_request,
    from_java_error,
    job_not_found,
    not_found,
    session_not_found,
)
from airflow_provider_canfar.emulator.api.platform_routes import PlatformRoutes
from airflow_provider_canfar.emulator.api.responses import json_response, text_response
from airflow_provider_canfar.emulator.api.rows import (
    cell,
    filtered,
    listed_rows,
    public,
    rows_of_session,
    without_apps,
)
from airflow_provider_canfar.emulator.api.serializers import stats_json
from airflow_provider_canfar.emulator.faults.pod_faults import EventFormat
from airflow_provider_canfar.emulator.faults.request_faults import CreatedUnseen, NotCreated
from airflow_provider_canfar.emulator.job_pipeline.java import JavaError
from airflow_provider_canfar.emulator.job_pipeline.job_template import running_container
from airflow_provider_canfar.emulator.job_pipeline.kubectl import (
    AcceptedContainer,
    JobRejectedError,
    check_hostname,
)
from airflow_provider_canfar.emulator.runtime.sessions import DESKTOP_APP, HEADLESS, SessionRequest

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from airflow_provider_canfar.emulator.api.parameters import Parameters
    from airflow_provider_canfar.emulator.faults.fault import Fault

LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
FAULT_MESSAGE = "the emulator was asked to fail"


class SessionRoutes(PlatformRoutes):
    """Creates, lists, shows, renews and deletes sessions."""

    def routes(self) -> list[Route]:
        """Return the routes, including the server's quirk of a trailing slash."""
        route = self._endpoints.route
        return [
            route("/skaha/v1/session", GET=self._list, POST=self._create, DELETE=self._delete_all),
            route("/skaha/v1/session/", GET=self._get_any, POST=self._modify, DELETE=self._delete_all),
            route("/skaha/v1/session/{id}", GET=self._get, POST=self._modify, DELETE=self._delete),
            route("/skaha/v1/session/{id}/", GET=self._get, POST=self._modify, DELETE=self._delete),
        ]

    async def _create(self, request: Request, parameters: Parameters) -> Response:
        platform = self._platform
        requested = self._requested(request, parameters)
        session_id = platform.new_session_id()
        try:
            container = await self._container(session_id, requested, parameters)
            await asyncio.sleep(platform.config.create_latency)
            if self._fires(NotCreated, request):
                raise JobRejectedError(FAULT_MESSAGE)
            platform.create(session_id, requested, container)
            if self._fires(CreatedUnseen, request):
                raise JobRejectedError(FAULT_MESSAGE)
        except JavaError as error:
            raise from_java_error(error) from error
        except JobRejectedError as error:
            raise job_not_found(platform.job_name(session_id, requested.kind)) from error
        return text_response(f"{session_id}\n")

    def _requested(self, request: Request, parameters: Parameters) -> SessionRequest:
        """Return what a create requests.

        :raises HttpError: 400 for the first rule that it breaks, in the order of *PostAction.doAction*.
        """
        platform = self._platform
        images = platform.settings.images
        image = request_rules.check_image_host(parameters.first("image"), images)
        kind = request_rules.check_kind(parameters.first("type"))
        cores, ram = request_rules.check_resources(parameters)
        name = request_rules.check_name(parameters.first("name"))
        if kind != HEADLESS:
            maximum = int(platform.config.max_interactive)
            request_rules.check_quota(platform.active_interactive(), maximum, platform.settings.user)
        gpus = request_rules.check_gpus(parameters.first("gpus"))
        credentials = request.headers.get("x-skaha-registry-auth")
        request_rules.check_registry(image, images, credentials, strict=platform.config.strict_images)
        return SessionRequest(name=name, image=image, kind=kind, cores=cores, ram=ram, gpus=gpus)

    def _fires(self, fault: type[Fault], request: Request) -> bool:
        return self._platform.faults.fire(fault, request.method, request.url.path) is not None

    async def _container(
        self, session_id: str, requested: SessionRequest, parameters: Parameters
    ) -> AcceptedContainer:
        """Return the session's container; only a headless session uses cmd, args and env.

        :raises JavaError: what the server throws.
        :raises JobRejectedError: when the API server would reject the Job.
        """
        check_hostname(requested.name)
        if requested.kind != HEADLESS:
            return AcceptedContainer(None, None, ())
        return await asyncio.to_thread(
            running_container,
            parameters.first("cmd"),
            parameters.first("args"),
            parameters.all("env"),
            self._platform.template_values(session_id, requested),
        )

    async def _list(self, request: Request, parameters: Parameters) -> Response:
        view = parameters.first("view")
        if view == "stats":
            return json_response(stats_json(self._platform.sessions(), self._platform.config.gpus))
        kind, status = parameters.first("type"), parameters.first("status")
        rows = listed_rows(self._platform, request)
        if view is not None and view.lower() == "interactive":
            # This view has no filter by type, and does not leave out the apps of desktops.
            return json_response([row for row in filtered(rows, None, status) if _is_interactive(row)])
        rows = filtered(rows, kind, status)
        if kind is None or kind.lower() != DESKTOP_APP:
            rows = without_apps(rows)
        return json_response([public(row) for row in rows] if view == "all" else rows)

    async def _get_any(self, request: Request, parameters: Parameters) -> Response:
        """Respond to ``GET /session/``: an empty id selects every session, and the server shows the first."""
        for row in without_apps(listed_rows(self._platform, request)):
            return json_response(row)
        raise session_not_found("")

    async def _get(self, request: Request, parameters: Parameters) -> Response:
        session_id = request.path_params["id"]
        if not LABEL_VALUE.fullmatch(session_id):
            raise bad_request("canfar.net/id label value must match Kubernetes label value syntax")
        view = parameters.first("view")
        if view == "logs":
            return text_response(await asyncio.to_thread(self._platform.log, session_id))
        session = self._platform.session(session_id)
        if view == "events":
            # There are no events until there is a pod (*GetAction.getEventLogs*).
            if session is None or session.started is None:
                raise not_found(f"session {session_id} not found.")
            odd = self._platform.faults.fire(EventFormat, request.method, request.url.path)
            return text_response(event_table(session.events, odd))
        for row in rows_of_session(self._platform, request, session_id):
            return json_response(row)
        raise session_not_found(session_id)

    async def _modify(self, request: Request, parameters: Parameters) -> Response:
        action = parameters.first("action")
        session_id = request.path_params.get("id")
        if not action or session_id is None:
            raise bad_request("Cannot modify an existing session")
        if action.lower() != "renew":
            raise bad_request("unrecognized action")
        if not self._platform.renew(session_id):
            user = self._platform.settings.user
            raise bad_request(f"No active job for user {user} with session {session_id}")
        return text_response("")

    async def _delete(self, request: Request, parameters: Parameters) -> Response:
        self._platform.delete(request.path_params["id"])
        return text_response("")

    async def _delete_all(self, request: Request, parameters: Parameters) -> Response:
        raise bad_request("Cannot kill all sessions.")


def _is_interactive(row: Any) -> bool:
    """Return whether a row is not headless; a desktop app that has no desktop counts for nothing."""
    kind = cell(row, "type")
    return kind != HEADLESS and (kind != DESKTOP_APP or cell(row, "appid") is not None)
