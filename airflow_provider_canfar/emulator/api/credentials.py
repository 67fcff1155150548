"""A request's credential: a bearer token, or the cookie in a browser that is as good as one.

The platform takes ``CADC_SSO=<token>`` from its portal. Here the emulator's page sets it, so that a session's
log opens in a browser that has logged in there. A browser sends a cookie whoever made the page that asks, and
all ports of a host are one site to it; so a cookie alone changes nothing unless the request comes from the
emulator's own origin. It would create sessions otherwise, and a session is a program.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airflow_provider_canfar.emulator.api.http_errors import HttpError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

COOKIE = "CADC_SSO"
CHANGES_NOTHING = ("GET", "HEAD")


def authorization(request: Request) -> str | None:
    """Return a request's header of that name, or what its cookie stands for.

    :raises HttpError: 403 when it would change something, and has a cookie from a page of somebody else.
    """
    header = request.headers.get("authorization")
    token = request.cookies.get(COOKIE)
    if header or token is None:
        return header
    if request.method not in CHANGES_NOTHING and not _is_of_own_origin(request):
        raise HttpError(403, f"with the cookie {COOKIE} alone, only the emulator's own page changes anything")
    return f"Bearer {token}"


def is_stranger_with_a_browser(request: Request, token: str) -> bool:
    """Tell whether a person has opened an address in a browser that has not logged in on the page.

    :param token: what the page takes.
    """
    return (
        request.method == "GET"
        and "text/html" in request.headers.get("accept", "")
        and "authorization" not in request.headers
        and request.cookies.get(COOKIE) != token
    )


def keep(response: Response, token: str) -> None:
    """Have the browser keep a token until it is closed, where no script and no other site can read it."""
    response.set_cookie(COOKIE, token, httponly=True, samesite="strict")


def drop(response: Response) -> None:
    """Have the browser forget the token."""
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")


def _is_of_own_origin(request: Request) -> bool:
    return urlsplit(request.headers.get("origin", "")).netloc == request.url.netloc
