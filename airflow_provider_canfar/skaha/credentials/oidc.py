"""An OIDC refresh token, such as SKA IAM issues, and the access tokens that it is exchanged for."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, get_args
from urllib.parse import quote

from airflow_provider_canfar.skaha.credentials.expiry import expiry_of, utc_now
from airflow_provider_canfar.skaha.credentials.fetched import FetchedCredential
from airflow_provider_canfar.skaha.credentials.grant_cache import Grant
from airflow_provider_canfar.skaha.credentials.token import bearer
from airflow_provider_canfar.skaha.secret import Secret, concealed

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import httpx

    from airflow_provider_canfar.skaha.errors import RequestError

#: Where SKA IAM exchanges tokens.
TOKEN_URL = "https://ska-iam.stfc.ac.uk/token"  # noqa: S105 (an address)

ClientAuth = Literal["client_secret_basic", "client_secret_post"]
CLIENT_AUTHS: tuple[ClientAuth, ...] = get_args(ClientAuth)

_USED_UP = "the refresh token has expired, was revoked, or was used up by another process"

#: OAuth's error codes that only a person can resolve (RFC 6749, 5.2), and what they mean here.
_REASONS = {
    "invalid_grant": _USED_UP,
    "invalid_token": _USED_UP,  # As SKA IAM has it (MITREid's DefaultOAuth2ProviderTokenService).
    "invalid_client": "the client's id or secret is wrong, or its registration has expired",
}


class OidcRefresh(FetchedCredential):
    """An access token for a refresh token, fetched again before it expires.

    A service may issue a new refresh token each time and invalidate the old one. The process follows that;
    another process with the same configured one cannot.

    :param client_id: of the registered client.
    :param client_secret: its secret; like the refresh token, it goes to ``url`` and nowhere else.
    :param refresh_token: with the scope ``offline_access``.
    :param url: the service's token endpoint.
    :param client_auth: how the client sends its secret: in a header (``client_secret_basic``) or in the form
        (``client_secret_post``).
    """

    name = "an access token for the refresh token"
    renewal = "Log in again where the refresh token came from, and configure the new one."
    field = "oidc_url"

    def __init__(
        self,
        client_id: str,
        client_secret: str,
        refresh_token: str,
        url: str = TOKEN_URL,
        *,
        client_auth: ClientAuth = "client_secret_basic",
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        client_id, client_secret = Secret(client_id), Secret(client_secret)
        refresh_token = Secret(refresh_token)
        super().__init__(url, client_id, refresh_token, transport=transport, clock=clock)
        self._client_id = client_id
        self._client_secret = client_secret
        self._refresh_token = refresh_token
        self._client_auth = client_auth

    async def _fetch(self) -> Grant:
        last = self._cache.grant
        refresh_token = Secret((last and last.refresh_token) or self._refresh_token)
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        auth = None
        if self._client_auth == "client_secret_post":
            form |= {"client_id": self._client_id, "client_secret": self._client_secret}
        else:
            # Percent-encoded like a form's values before they are joined (RFC 6749, 2.3.1).
            auth = (Secret(quote(self._client_id, safe="")), Secret(quote(self._client_secret, safe="")))
        secrets = (refresh_token, self._client_secret, self._client_id)
        response = await self._send("POST", form=form, auth=auth, secrets=secrets)
        granted_at = self._clock()
        try:
            tokens = concealed(json.loads(response.body))
            access_token = tokens["access_token"]
            lifetime = tokens.get("expires_in")
            expires_at = (
                granted_at + timedelta(seconds=float(lifetime)) if lifetime else expiry_of(access_token)
            )
            return Grant(
                bearer(access_token),
                granted_at,
                expires_at,
                refresh_token=tokens.get("refresh_token") or refresh_token,
            )
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
            raise self._unusable(response) from None

    def _reason(self, error: RequestError) -> str:
        message = error.server_message
        return next((reason for code, reason in _REASONS.items() if code in message), message)
