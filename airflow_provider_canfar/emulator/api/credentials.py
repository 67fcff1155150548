"""A request's credential: a bearer token, or a browser's cookie that holds one.

The platform accepts ``CADC_SSO=<token>`` from its portal. Here the emulator's page sets that cookie, so that
a session's log opens in a browser that has logged in there. A browser sends a cookie with the requests of any
page, and it treats all ports of a host as the same site. So a request that changes something needs more than
the cookie: it has to come from the emulator's own origin. Otherwise another page could create sessions, and a
session can run any program.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from starlette.responses import RedirectResponse

from airflow_provider_canfar.emulator.api.http_errors import HttpError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

COOKIE = "CADC_SSO"
READ_ONLY_METHODS = ("GET", "HEAD")


def authorization(request: Request) -> str | None:
    """Return a request's Authorization header, or the equivalent of its cookie.

    :raises HttpError: 403 for a request that would change something with a cookie from another origin.
    """
    header = request.headers.get("authorization")
    token = request.cookies.get(COOKIE)
    if header or token is None:
        return header
    if request.method not in READ_ONLY_METHODS and not _is_same_origin(request):
        raise HttpError(
            403, f"only the emulator's own page can change anything with the cookie {COOKIE} alone"
        )
    return f"Bearer {token}"


def needs_login_page(request: Request, token: str) -> bool:
    """Return whether a request opens an address in a browser that has not logged in on the page.

    :param token: the token that the emulator was started with.
    """
    return (
        request.method == "GET"
        and "text/html" in request.headers.get("accept", "")
        and "authorization" not in request.headers
        and request.cookies.get(COOKIE) != token
    )


def redirect_to_login(request: Request) -> Response:
    """Send a browser to the page, which logs in and comes back."""
    path, query = request.url.path, request.url.query
    next_page = urlencode({"next": f"{path}?{query}" if query else path})
    return RedirectResponse(f"/?{next_page}", 303, headers={"Cache-Control": "no-store"})


def set_cookie(response: Response, token: str) -> None:
    """Store a token in the browser until that is closed, out of reach of scripts and other sites."""
    response.set_cookie(COOKIE, token, httponly=True, samesite="strict")


def delete_cookie(response: Response) -> None:
    """Delete the token from the browser."""
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")


def _is_same_origin(request: Request) -> bool:
    return urlsplit(request.headers.get("origin", "")).netloc == request.url.netloc
