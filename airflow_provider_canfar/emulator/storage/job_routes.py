"""The calls that create, start and watch jobs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from starlette.responses import RedirectResponse, Response

from airflow_provider_canfar.emulator.api.http_errors import bad_request, not_found
from airflow_provider_canfar.emulator.api.parameters import read_parameters
from airflow_provider_canfar.emulator.api.responses import text_response, xml_response
from airflow_provider_canfar.emulator.api.serializers import base_url
from airflow_provider_canfar.emulator.storage.jobs import ABORTED, PENDING, Job, Jobs

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import Route

    from airflow_provider_canfar.emulator.storage.endpoints import StorageEndpoints

MAX_WAIT = 60.0  # seconds; as uws.server.JobServlet

NewJob = Callable[["Request", "str | None"], Awaitable[Job]]
"""Makes a job from a request of a user."""


class JobRoutes:
    """The calls of one kind of job.

    :param path: where they are, for example ``/arc/transfers``.
    :param new_job: makes a job.
    :param endpoints: authenticates requests.
    """

    def __init__(self, path: str, new_job: NewJob, endpoints: StorageEndpoints) -> None:
        self._path = path
        self._new_job = new_job
        self._endpoints = endpoints
        self.jobs = Jobs()

    def routes(self) -> list[Route]:
        """Return the routes."""
        route = self._endpoints.route
        return [
            route(self._path, POST=self._create),
            route(f"{self._path}/{{id}}", GET=self._get),
            route(f"{self._path}/{{id}}/phase", GET=self._phase, POST=self._change_phase),
            route(f"{self._path}/{{id}}/error", GET=self._error),
            route(f"{self._path}/{{id}}/results/{{name}}", GET=self._result),
        ]

    async def _create(self, request: Request, caller: str | None) -> Response:
        return self._redirect(request, self.jobs.add(await self._new_job(request, caller)))

    async def _get(self, request: Request, caller: str | None) -> Response:
        """Describe a job, after waiting for its end if the parameter ``WAIT`` says so."""
        job = self._job(request, caller)
        wait = (await read_parameters(request)).first("WAIT") or "0"
        if not wait.removeprefix("-").isdecimal():
            raise bad_request(f"invalid WAIT: {wait}")
        seconds = MAX_WAIT if wait.startswith("-") else min(MAX_WAIT, float(wait))
        await job.wait(seconds)
        return xml_response(job.document())

    async def _phase(self, request: Request, caller: str | None) -> Response:
        return text_response(self._job(request, caller).phase)

    async def _change_phase(self, request: Request, caller: str | None) -> Response:
        job = self._job(request, caller)
        phase = (await read_parameters(request)).first("PHASE")
        if phase == "RUN":
            self.jobs.start(job)
        elif phase == "ABORT" and job.phase == PENDING:
            job.phase = ABORTED
        elif phase != "ABORT":
            raise bad_request(f"invalid PHASE: {phase}")
        return self._redirect(request, job)

    async def _error(self, request: Request, caller: str | None) -> Response:
        return text_response(self._job(request, caller).error or "")

    async def _result(self, request: Request, caller: str | None) -> Response:
        name = request.path_params["name"]
        location = self._job(request, caller).results.get(name)
        if location is None:
            raise not_found(f"not found: {name}")
        return RedirectResponse(location, 303)

    def _job(self, request: Request, caller: str | None) -> Job:
        return self.jobs.get(request.path_params["id"], caller)

    def _redirect(self, request: Request, job: Job) -> Response:
        return RedirectResponse(f"{base_url(request)}{self._path}/{job.id}", 303)
