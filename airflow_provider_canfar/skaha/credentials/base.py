"""What a credential is."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import ssl


@dataclass(frozen=True, slots=True, eq=False)
class Authorization:
    """What a request carries to show whose it is. Sealed: neither part of it is in its repr.

    :param headers: for the request.
    :param tls: for the connection; None for the usual one, without a client's certificate.
    """

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)


class Credential(Protocol):
    """Who asks. It signs requests and knows when it ends; its repr and its messages hold no secret."""

    @property
    def name(self) -> str:
        """What it is, for messages: ``the bearer token``."""

    @property
    def renewal(self) -> str:
        """What a person does when it is refused, as a sentence."""

    @property
    def expires_at(self) -> datetime | None:
        """When it ends; None where that is not known (yet)."""

    async def authorize(self) -> Authorization:
        """Return what a request carries now, fetched afresh where it is about to end.

        :raises AuthenticationError: when there is nothing valid to show.
        """

    async def refresh(self, rejected: Authorization) -> bool:
        """Take note that the server has refused something, and get something else if there is any.

        Many may call it at once, and one fetch serves them all.

        :param rejected: what the server has refused.
        :returns: whether another try with :meth:`authorize` makes sense.
        """


def expiry_of(token: str) -> datetime | None:
    """Read when a token ends, if it says so: a JWT (SKA IAM) by ``exp``, a CADC token by ``expirytime``.

    >>> expiry_of("anything else") is None
    True
    """
    header_and_claims = token.split(".")
    if len(header_and_claims) == 3:
        try:
            claims = json.loads(_decoded(header_and_claims[1]))
            return datetime.fromtimestamp(float(claims["exp"]), UTC)
        except (ValueError, TypeError, KeyError, OverflowError, OSError):
            return None
    # Base64 of "expirytime=<milliseconds>&userid=...&signature=..." (SSOCookieManager).
    match = re.search(rb"\bexpirytime=(\d{1,15})\b", _decoded(token))
    return datetime.fromtimestamp(int(match[1]) / 1000, UTC) if match else None


def _decoded(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text.replace("+", "-").replace("/", "_") + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return b""
