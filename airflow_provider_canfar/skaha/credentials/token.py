"""A bearer token that somebody else has fetched."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.credentials.expiry import expiry_of
from airflow_provider_canfar.skaha.errors import SpecError
from airflow_provider_canfar.skaha.http.authorization import Authorization
from airflow_provider_canfar.skaha.secret import Secret

if TYPE_CHECKING:
    from datetime import datetime


class Token:
    """A fixed bearer token. Only its owner can renew it; a CADC token is valid for 48 hours.

    :param token: the token itself, without ``Bearer``.
    :raises SpecError: if it cannot be a token.
    """

    name = "the bearer token"
    renewal = "Get a new token, or use a user name and password, which fetch tokens as needed."

    # Until it is known: while a token is refused, an error reporter asks for the repr.
    _expires_at: datetime | None = None

    def __init__(self, token: str) -> None:
        token = Secret(token).strip()
        try:
            self._authorization = bearer(token)
        except ValueError:
            raise SpecError(
                "Invalid bearer token: must be one word without spaces or line breaks. "
                "Copy it again, without 'Bearer'."
            ) from None
        self._expires_at = expiry_of(token)

    def __repr__(self) -> str:
        return f"Token(expires_at={self._expires_at})"

    @property
    def expires_at(self) -> datetime | None:
        """When it expires, if the token says so."""
        return self._expires_at

    async def authorize(self) -> Authorization:
        """Return the token."""
        return self._authorization

    async def refresh(self, rejected: Authorization) -> bool:
        """Return False: there is no other token."""
        return False


def bearer(token: str) -> Authorization:
    """Return the header for a token.

    :raises ValueError: if it is not one word, and so would inject into the header. The message omits it.
    """
    token = Secret(token)
    if not re.fullmatch(r"[!-~]+", token):
        raise ValueError("not a token")
    return Authorization({"Authorization": Secret(f"Bearer {token}")})
