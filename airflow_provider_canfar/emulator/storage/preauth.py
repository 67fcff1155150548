"""Tokens in URLs that grant access to one file (*TokenTool*, *CavernURLGenerator.validateToken*)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from typing import TYPE_CHECKING

from airflow_provider_canfar.emulator.api.http_errors import HttpError

if TYPE_CHECKING:
    from airflow_provider_canfar.emulator.storage.node_uri import Names

PREFIX = "preauth:"
READ, WRITE = "read", "write"


class Preauthorization:
    """Makes tokens, and checks them; they are valid as long as the emulator runs."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def token(self, names: Names, grant: str, user: str | None) -> str:
        """Return what goes between ``/arc/files/`` and the path of the file.

        :param grant: :data:`READ` or :data:`WRITE`.
        :param user: who asks for it.
        """
        payload = base64.urlsafe_b64encode(json.dumps([*names, grant, user]).encode()).decode()
        return f"{PREFIX}{payload}~{self._sign(payload)}"

    def user(self, token: str, names: Names, grant: str) -> str | None:
        """Return the user of a token.

        :raises HttpError: 403 when it was not made here, or for something else.
        """
        payload, _, signature = token.removeprefix(PREFIX).partition("~")
        try:
            *granted, kind, user = json.loads(base64.urlsafe_b64decode(payload))
        except (binascii.Error, ValueError):
            raise HttpError(403, "invalid preauth token") from None
        is_genuine = hmac.compare_digest(signature.encode(), self._sign(payload).encode())
        if not is_genuine or tuple(granted) != names or kind != grant:
            raise HttpError(403, "invalid preauth token")
        return None if user is None else str(user)

    def _sign(self, payload: str) -> str:
        return hmac.new(self._key, payload.encode(), hashlib.sha256).hexdigest()
