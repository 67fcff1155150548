"""When a token expires, as far as the token itself says."""

from __future__ import annotations

import base64
import binascii
import json
import re
from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


def expiry_of(token: str) -> datetime | None:
    """Return when a token expires, if it says so: a JWT (SKA IAM) by ``exp``, a CADC token by ``expirytime``.

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
