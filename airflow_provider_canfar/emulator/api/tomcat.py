"""Tomcat's own error pages, for requests that do not reach the server's code (*ErrorReportValve*)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_canfar.emulator.api.http_errors import HttpError
from airflow_provider_canfar.emulator.api.responses import error_response

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

PAGE = (
    '<!doctype html><html lang="en"><head><title>HTTP Status {title}</title></head><body>'
    '<h1>HTTP Status {title}</h1><hr class="line" /><p><b>Type</b> {kind}</p>'
    '<p><b>Message</b> {message}</p>{description}<hr class="line" />'
    "<h3>Apache Tomcat/9.0.70</h3></body></html>"
)
NO_REPRESENTATION = (
    "<p><b>Description</b> The origin server did not find a current representation for the target resource "
    "or is not willing to disclose that one exists.</p>"
)
ESCAPES = str.maketrans({"<": "&lt;", ">": "&gt;", "&": "&amp;", '"': "&quot;", "'": "&#39;", "/": "&#47;"})


def rejected(reason: str) -> HttpError:
    """Return the response to a request that Tomcat's connector cannot read."""
    return _error(400, "400 \u2013 Bad Request", "Exception Report", reason)


def no_such_path(path: str) -> HttpError:
    """Return the response for a path that no servlet handles (*DefaultServlet*).

    :param path: the whole path.
    """
    message = f"The requested resource [{path}] is not available".translate(ESCAPES)
    return _error(404, "404 \u2013 Not Found", "Status Report", message, NO_REPRESENTATION)


async def not_found_app(scope: Scope, receive: Receive, send: Send) -> None:
    """Respond to a request for a path without a route."""
    await error_response(no_such_path(scope["path"]))(scope, receive, send)


def _error(status: int, title: str, kind: str, message: str, description: str = "") -> HttpError:
    page = PAGE.format(title=title, kind=kind, message=message, description=description)
    headers = {"Content-Type": "text/html;charset=utf-8", "Content-Language": "en"}
    return HttpError(status, page, headers)
