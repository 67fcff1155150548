"""The service's v1 API, and the login beside it, as an ASGI application."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from airflow_provider_canfar.emulator.api import documents, request_rules
from airflow_provider_canfar.emulator.api.credentials import authorization, is_stranger_with_a_browser
from airflow_provider_canfar.emulator.api.http_errors import HttpError, bad_request, job_not_found, not_found
from airflow_provider_canfar.emulator.api.parameters import Parameters, check_head, read_parameters
from airflow_provider_canfar.emulator.api.responses import as_json, plain, refused, xml
from airflow_provider_canfar.emulator.api.serializers import as_shown, as_shown_to_all, base_url
from airflow_provider_canfar.emulator.job_pipeline.java import JavaError
from airflow_provider_canfar.emulator.job_pipeline.job_template import run_as
from airflow_provider_canfar.emulator.job_pipeline.kubectl import (
    JobRefusedError,
    PostedContainer,
    check_hostname,
)
from airflow_provider_canfar.emulator.runtime.sessions import (
    DESKTOP_APP,
    HEADLESS,
    KINDS,
    Session,
    SessionRequest,
)
from airflow_provider_canfar.emulator.web.session_pages import SessionPages
from airflow_provider_canfar.emulator.web.web_ui import WebUI, to_login

if TYPE_CHECKING:
    from airflow_provider_canfar.emulator.api.accounts import Accounts
    from airflow_provider_canfar.emulator.api.admin import Admin
    from airflow_provider_canfar.emulator.runtime.platform import Platform

ANY_METHOD = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"]
LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")

Answer = Callable[[Request, Parameters], Awaitable[Response]]


class Service:
    """The calls of the platform.

    :param platform: what they act on.
    :param accounts: who may.
    """

    def __init__(self, platform: Platform, accounts: Accounts) -> None:
        self._platform = platform
        self._accounts = accounts

    def routes(self) -> list[Route]:
        """Return the routes, the wart of the trailing slash included."""
        return [
            self._route("/skaha/v1/session", GET=self._list, POST=self._create, DELETE=self._delete_all),
            self._route("/skaha/v1/session/", GET=self._any, POST=self._modify, DELETE=self._delete_all),
            self._route("/skaha/v1/session/{id}", GET=self._get, POST=self._modify, DELETE=self._delete),
            self._route("/skaha/v1/context", GET=self._context),
            self._route("/skaha/v1/image", GET=self._images),
            self._route("/skaha/v1/repository", GET=self._repositories),
            Route("/skaha/capabilities", self._capabilities),
            Route("/skaha/availability", self._availability),
            Route("/ac/login", self._login, methods=["POST"]),
            self._route("/ac/whoami", GET=self._whoami),
            self._route("/ac/users/{name}", GET=self._user),
        ]

    def _route(self, path: str, **answers: Answer) -> Route:
        async def endpoint(request: Request) -> Response:
            try:
                answer = answers.get(request.method)
                if answer is None:
                    raise HttpError(405, f"unsupported: HTTP {request.method}", {"Allow": ", ".join(answers)})
                return await self._answer(answer, request)
            except HttpError as refusal:
                return refused(refusal)

        return Route(path, endpoint, methods=ANY_METHOD)

    async def _answer(self, answer: Answer, request: Request) -> Response:
        check_head(request)
        login = f"{base_url(request)}/ac/login"
        try:
            user = self._accounts.identify(authorization(request), login)
        except HttpError:
            if is_stranger_with_a_browser(request, self._platform.settings.token):
                return to_login(request)
            raise
        response = await answer(request, await read_parameters(request))
        response.headers["X-VO-Authenticated"] = user
        return response

    async def _create(self, request: Request, parameters: Parameters) -> Response:
        platform = self._platform
        images = platform.settings.images
        image = request_rules.check_image_host(parameters.first("image"), images)
        kind = request_rules.check_kind(parameters.first("type"))
        cores, ram = request_rules.requested_resources(parameters)
        name = request_rules.check_name(parameters.first("name"))
        if kind != HEADLESS:
            maximum = int(platform.config.max_interactive)
            request_rules.check_quota(platform.active_interactive(), maximum, platform.settings.user)
        gpus = request_rules.check_gpus(parameters.first("gpus"))
        request_rules.check_registry(image, images, request.headers.get("x-skaha-registry-auth"))
        asked = SessionRequest(name=name, image=image, kind=kind, cores=cores, ram=ram, gpus=gpus)
        session_id = platform.new_session_id()
        job = platform.job_name(session_id, kind)
        try:
            container = await self._container(session_id, asked, parameters)
            await asyncio.sleep(platform.config.create_latency)
            if self._fails("not_created", request):
                raise JobRefusedError("a fault that was asked for")
            platform.create(session_id, asked, container)
            if self._fails("created_unseen", request):
                raise JobRefusedError("a fault that was asked for")
        except JavaError as error:
            raise error.refusal from error
        except JobRefusedError as error:
            raise job_not_found(job) from error
        return plain(f"{session_id}\n")

    def _fails(self, fault: str, request: Request) -> bool:
        return self._platform.faults.strike(fault, request.method, request.url.path) is not None

    async def _container(
        self, session_id: str, asked: SessionRequest, parameters: Parameters
    ) -> PostedContainer:
        """Return what the session's container runs; only a headless one runs what was posted.

        :raises JavaError: as the server throws.
        :raises JobRefusedError: when the API server would refuse the Job.
        """
        check_hostname(asked.name)
        if asked.kind != HEADLESS:
            return PostedContainer(None, None, ())
        return await asyncio.to_thread(
            run_as,
            parameters.first("cmd"),
            parameters.first("args"),
            parameters.all("env"),
            self._platform.template_values(session_id, asked),
        )

    async def _list(self, request: Request, parameters: Parameters) -> Response:
        view = parameters.first("view")
        if view == "stats":
            return as_json(self._platform.stats())
        kind, status = parameters.first("type"), parameters.first("status")
        sessions = [session for session in self._platform.sessions() if _is_asked_for(session, kind, status)]
        if view == "all":
            return as_json([as_shown_to_all(session) for session in sessions])
        if view == "interactive":
            sessions = [session for session in sessions if not session.is_headless]
        return as_json([as_shown(session, base_url(request)) for session in sessions])

    async def _any(self, request: Request, parameters: Parameters) -> Response:
        """Answer ``GET /session/``: an empty id selects any session, and the first is shown."""
        for session in self._platform.sessions():
            return as_json(as_shown(session, base_url(request)))
        raise not_found("session  not found")

    async def _get(self, request: Request, parameters: Parameters) -> Response:
        session_id = request.path_params["id"]
        if not LABEL_VALUE.fullmatch(session_id):
            raise bad_request("canfar.net/id label value must match Kubernetes label value syntax")
        match parameters.first("view"):
            case "logs":
                return plain(await asyncio.to_thread(self._platform.log, session_id))
            case "events":
                return plain(self._platform.events(session_id))
            case _:
                return as_json(as_shown(self._platform.expect(session_id), base_url(request)))

    async def _modify(self, request: Request, parameters: Parameters) -> Response:
        action = parameters.first("action")
        session_id = request.path_params.get("id")
        if not action or session_id is None:
            raise bad_request("Cannot modify an existing session")
        if action.lower() != "renew":
            raise bad_request("unrecognized action")
        self._platform.renew(session_id)
        return plain("")

    async def _delete(self, request: Request, parameters: Parameters) -> Response:
        self._platform.delete(request.path_params["id"])
        return plain("")

    async def _delete_all(self, request: Request, parameters: Parameters) -> Response:
        raise bad_request("Cannot kill all sessions.")

    async def _context(self, request: Request, parameters: Parameters) -> Response:
        # A string there, where the context is read from a file.
        maximum = str(int(self._platform.config.max_interactive))
        return as_json({**request_rules.CONTEXT, "maxInteractiveSessions": maximum})

    async def _images(self, request: Request, parameters: Parameters) -> Response:
        kind = parameters.first("type")
        if kind is not None and kind not in KINDS:
            raise bad_request(f"unknown type: {kind}")
        return as_json(self._platform.settings.images.catalogue(kind))

    async def _repositories(self, request: Request, parameters: Parameters) -> Response:
        return as_json(list(self._platform.settings.images.hosts))

    async def _capabilities(self, request: Request) -> Response:
        return xml(documents.capabilities(f"{base_url(request)}/skaha"))

    async def _availability(self, request: Request) -> Response:
        return xml(documents.AVAILABILITY)

    async def _login(self, request: Request) -> Response:
        try:
            parameters = await read_parameters(request)
            lifetime = self._platform.config.token_lifetime
            token = self._accounts.log_in(
                parameters.first("username"), parameters.first("password"), lifetime
            )
        except HttpError as refusal:
            return refused(refusal)
        said = {"x-vo-bearer": token, "X-VO-Authenticated": self._accounts.user}
        return plain(token, headers=said)

    async def _whoami(self, request: Request, parameters: Parameters) -> Response:
        url = f"{base_url(request)}/ac/users/{self._accounts.user}?idType=HTTP"
        return RedirectResponse(url, status_code=303)

    async def _user(self, request: Request, parameters: Parameters) -> Response:
        return xml(documents.USER.format(user=self._accounts.user))


def application(platform: Platform, accounts: Accounts, admin: Admin) -> Starlette:
    """Return the application: the platform's API and sessions, and the emulator's own page and endpoints."""
    parts = (Service(platform, accounts), SessionPages(platform), WebUI(platform.settings.token), admin)
    app = Starlette(routes=[route for part in parts for route in part.routes()])
    app.router.redirect_slashes = False
    return app


def _is_asked_for(session: Session, kind: str | None, status: str | None) -> bool:
    """Filter as *GetAction.filter* does: whole words, in any case; apps of a desktop only when asked for."""
    if kind is None and session.asked.kind == DESKTOP_APP:
        return False
    return (kind is None or session.asked.kind == kind.lower()) and (
        status is None or session.state.shown.lower() == status.lower()
    )
