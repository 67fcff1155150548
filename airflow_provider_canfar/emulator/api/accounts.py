"""Bearer tokens, whose they are, and the login that issues them."""

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
    """The one user of an emulator, and the user's valid tokens.

    :param user: the user's name.
    :param password: the user's password for the login; with None, every login fails.
    :param token: a token that is valid from the start and never expires.
    :param clock: returns the time in seconds since 1970.
    """

    def __init__(self, *, user: str, password: str | None, token: str, clock: Callable[[], float]) -> None:
        self.user = user
        self._password = password
        self._clock = clock
        self._expiry_times: dict[str, float | None] = {token: None}

    def authenticate(self, authorization: str | None, login_url: str) -> str:
        """Return the user whose credential a request carries.

        :param authorization: the request's header of that name.
        :param login_url: the address that the challenges of an error response offer.
        :raises HttpError: 401 for an unknown or expired token. Without any credential 400, because the group
            client rejects an anonymous caller with an UnsupportedOperationException
            (*SkahaAction.initRequest*).
        """
        challenges = ", ".join(CHALLENGES).format(login=login_url)
        if not authorization:
            sentence = "cannot get group memberships for anonymous"
            raise HttpError(400, sentence, {"WWW-Authenticate": challenges})
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() == "bearer" and self._is_valid(token.strip()):
            return self.user
        sentence = "token is invalid or has expired"
        invalid = f'Bearer error="invalid_token", error_description="{sentence}"'
        raise HttpError(401, sentence, {"WWW-Authenticate": f"{invalid}, {challenges}"})

    def log_in(self, user: str | None, password: str | None, lifetime: float) -> str:
        """Return a new token for a name and a password (*LoginServlet*).

        The token has the platform's format: base64 of readable fields, with its expiry time in milliseconds.

        :param lifetime: seconds.
        :raises HttpError: 400 when the name or the password is missing, 401 when one of them is wrong.
        """
        if not user or not password:
            raise bad_request("Missing username or password")
        given = f"{user.strip()}\n{password.strip()}".encode()
        if self._password is None or not secrets.compare_digest(
            given, f"{self.user}\n{self._password}".encode()
        ):
            raise HttpError(401, "Invalid username or password")
        expires_at = self._clock() + lifetime
        fields = (
            f"expirytime={int(expires_at * 1000)}&userid={self.user}&domain=127.0.0.1"
            f"&signature={secrets.token_urlsafe(32)}"
        )
        token = base64.b64encode(fields.encode()).decode()
        self._expiry_times[token] = expires_at
        return token

    def rotate(self, token: str | None = None) -> None:
        """Invalidate every token.

        :param token: the only token that is valid from now on; without one, a login is needed.
        """
        self._expiry_times = {token: None} if token else {}

    def _is_valid(self, token: str) -> bool:
        if token not in self._expiry_times:
            return False
        expires_at = self._expiry_times[token]
        return expires_at is None or self._clock() < expires_at
