"""A bearer token that somebody else has fetched."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.credentials.base import Authorization, expiry_of
from airflow_provider_canfar.skaha.errors import SpecError

if TYPE_CHECKING:
    from datetime import datetime


class Token:
    """A bearer token as it is. Nothing renews it but its owner; a CADC token lives for 48 hours.

    :param token: the token by itself, without ``Bearer``.
    :raises SpecError: for what cannot be a token.
    """

    name = "the bearer token"
    renewal = (
        "Get a new token, or give a user name and a password instead, with which tokens are fetched as they "
        "are needed."
    )

    def __init__(self, token: str) -> None:
        token = token.strip()
        try:
            self._authorization = bearer(token)
        except ValueError:
            raise SpecError(
                "The bearer token is refused: it must be one word, without spaces or line ends. "
                "Copy it again, without 'Bearer'."
            ) from None
        self._expires_at = expiry_of(token)

    def __repr__(self) -> str:
        return f"Token(expires_at={self._expires_at})"

    @property
    def expires_at(self) -> datetime | None:
        """When it ends, if it says so."""
        return self._expires_at

    async def authorize(self) -> Authorization:
        """Return the token."""
        return self._authorization

    async def refresh(self, rejected: Authorization) -> bool:
        """There is no other."""
        return False


def bearer(token: str) -> Authorization:
    """Return what carries a token.

    :raises ValueError: for what is not one word, and would be more than a header's value. It is not shown.
    """
    if not re.fullmatch(r"[!-~]+", token):
        raise ValueError("not a token")
    return Authorization({"Authorization": f"Bearer {token}"})
