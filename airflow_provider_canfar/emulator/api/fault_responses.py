"""The responses of faults that take the place of the platform's own."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from airflow_provider_canfar.emulator.api import tomcat
from airflow_provider_canfar.emulator.api.bodies import read_body
from airflow_provider_canfar.emulator.api.http_errors import HttpError, internal_error, service_unavailable
from airflow_provider_canfar.emulator.api.responses import error_response, json_response, text_response
from airflow_provider_canfar.emulator.api.retry_after import retry_after_headers
from airflow_provider_canfar.emulator.faults import request_faults, storage_faults
from airflow_provider_canfar.emulator.faults.encodings import encoded

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from airflow_provider_canfar.emulator.faults.request_faults import Outage
    from airflow_provider_canfar.emulator.faults.switched import RequestFaults

PROXY_PAGE = "<html><body><h1>502 Bad Gateway</h1>\nThe server returned an invalid response.\n</body></html>"
TOO_MANY_REQUESTS_PAGE = (
    "<html><body><h1>429 Too Many Requests</h1>\n"
    "You have sent too many requests in a given amount of time.\n</body></html>"
)
HTML = {"Content-Type": "text/html"}
READ_ONLY = "System is in read-only mode for maintainence"  # The server spells it so.
EXPIRED = "token is invalid or has expired"


def fault_response(faults: RequestFaults, outage: Outage | None, now: float) -> Response | None:
    """Return the response of the first fault that replaces the handling of a request, or None.

    :param faults: fires the faults for this request.
    :param outage: an outage that affects this request.
    :param now: seconds since 1970.
    """
    error = _error(faults, outage, now)
    if error:
        return error_response(error)
    other = faults.fire(request_faults.Response)
    return _other_response(other) if other else None


async def repeating(fault: request_faults.Repeat, request: Request) -> Response:
    """Return a refusal that repeats what a request holds."""
    headers = [request.headers.get(name, "") for name in ("authorization", "x-skaha-registry-auth")]
    form = parse_qsl((await read_body(request) or b"").decode("utf-8", "replace"))
    values = sorted(filter(None, [*headers, *(value for _, value in form)]), key=len)
    # A message may show nothing of it but its beginning, on one line.
    message = " ".join(" ".join(values).split())
    return error_response(HttpError(fault.status, encoded(f"Refused: {message}", fault.fired - 1)))


def _error(faults: RequestFaults, outage: Outage | None, now: float) -> HttpError | None:
    fire, path = faults.fire, faults.path
    is_of_the_platform = path.startswith(("/skaha/", "/arc/"))
    unavailable = outage or fire(request_faults.Busy)
    if unavailable:
        return service_unavailable("session", retry_after_headers(unavailable, now))
    read_only = fire(storage_faults.ReadOnly)
    if read_only:
        return HttpError(503, READ_ONLY, retry_after_headers(read_only, now))
    limit = fire(request_faults.TooManyRequests)
    if limit:
        return HttpError(429, TOO_MANY_REQUESTS_PAGE, HTML | retry_after_headers(limit, now))
    if fire(request_faults.Html):
        return HttpError(502, PROXY_PAGE, HTML)
    if is_of_the_platform and fire(request_faults.NotDeployed):
        return tomcat.no_such_path(path)
    if path != "/ac/login" and fire(request_faults.ExpiredToken):
        challenge = f'Bearer error="invalid_token", error_description="{EXPIRED}"'
        return HttpError(401, EXPIRED, {"WWW-Authenticate": challenge})
    forbidden = fire(request_faults.Forbidden) if is_of_the_platform else None
    if forbidden:
        return HttpError(403, forbidden.message)
    if fire(request_faults.ServerError):
        return internal_error("java.lang.IllegalStateException: the emulator was asked to fail")
    return None


def _other_response(fault: request_faults.Response) -> Response:
    is_text = isinstance(fault.body, str)
    response = text_response(fault.body) if is_text else json_response(fault.body)
    response.status_code = fault.status
    if fault.content_type is not None:
        response.headers["Content-Type"] = fault.content_type
    return response
