"""Whose request it is: bearer tokens, and the login that issues them."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable

from airflow_provider_canfar.emulator.api.http_errors import HttpError, bad_request

CHALLENGES = (
    'ivoa_x509 standard_id="ivo://ivoa.net/sso#tls-with-certificate"',
    'ivoa_bearer standard_id="ivo://ivoa.net/sso#tls-with-password", access_url="{login}"',
)


class Accounts:
    """The one user of an emulator, and the tokens that are good for it.

    :param user: the user's name.
    :param password: what the login takes; None for no login.
    :param token: the token that is good from the start, without an end.
    :param clock: returns the time in seconds since 1970.
    """

    def __init__(self, *, user: str, password: str | None, token: str, clock: Callable[[], float]) -> None:
        self.user = user
        self._password = password
        self._clock = clock
        self._ends: dict[str, float | None] = {token: None}

    def identify(self, authorization: str | None, login_url: str) -> str:
        """Return the user whose credential a request carries.

        :param authorization: the header.
        :param login_url: what the challenges of a refusal offer.
        :raises HttpError: 401 for a token that is none or has ended. Without any credential 400, because the
            group client refuses an anonymous caller with an UnsupportedOperationException
            (*SkahaAction.initRequest*).
        """
        challenges = ", ".join(CHALLENGES).format(login=login_url)
        if not authorization:
            raise HttpError(
                400, "cannot get group memberships for anonymous", {"WWW-Authenticate": challenges}
            )
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() == "bearer" and self._is_good(token.strip()):
            return self.user
        said = 'Bearer error="invalid_token", error_description="token is invalid or has expired"'
        raise HttpError(401, "token is invalid or has expired", {"WWW-Authenticate": f"{said}, {challenges}"})

    def log_in(self, user: str | None, password: str | None, lifetime: float) -> str:
        """Return a new token for a name and a password (*LoginServlet*).

        It has the platform's shape: base64 of fields that one can read, among them its end in milliseconds.

        :param lifetime: seconds.
        :raises HttpError: 400 when one is missing, 401 when one is wrong.
        """
        if not user or not password:
            raise bad_request("Missing username or password")
        given = f"{user.strip()}\n{password.strip()}".encode()
        if self._password is None or not secrets.compare_digest(
            given, f"{self.user}\n{self._password}".encode()
        ):
            raise HttpError(401, "Invalid username or password")
        ends = self._clock() + lifetime
        fields = (
            f"expirytime={int(ends * 1000)}&userid={self.user}&domain=127.0.0.1"
            f"&signature={secrets.token_urlsafe(32)}"
        )
        token = base64.b64encode(fields.encode()).decode()
        self._ends[token] = ends
        return token

    def rotate(self, token: str | None = None) -> None:
        """End every token; from now on only a new one is good.

        :param token: the new one; none at all when left out, so that only a login helps.
        """
        self._ends = {token: None} if token else {}

    def _is_good(self, token: str) -> bool:
        if token not in self._ends:
            return False
        ends = self._ends[token]
        return ends is None or self._clock() < ends
