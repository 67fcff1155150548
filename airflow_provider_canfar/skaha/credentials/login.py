"""A CADC user name and password, and what a service exchanges them for."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.credentials import certificate
from airflow_provider_canfar.skaha.credentials.expiry import expiry_of, utc_now
from airflow_provider_canfar.skaha.credentials.fetched import FetchedCredential
from airflow_provider_canfar.skaha.credentials.grant_cache import Grant
from airflow_provider_canfar.skaha.credentials.token import bearer
from airflow_provider_canfar.skaha.errors import AuthenticationError, SpecError
from airflow_provider_canfar.skaha.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import httpx

    from airflow_provider_canfar.skaha.http.response import ApiResponse

log = logging.getLogger(__name__)

#: Where CADC exchanges a user name and password for a token.
LOGIN_URL = "https://ws-cadc.canfar.net/ac/login"

#: The lifetime to request for a proxy certificate, in days.
DAYS_VALID = 10

# What the service responds to a longer lifetime than it allows, in days.
_MAXIMUM = re.compile(r"daysValid larger than maximum allowed: (\d+(?:\.\d+)?)")


class Login(FetchedCredential):
    """A token for a user name and a password, fetched again before it expires (after 48 hours).

    :param username: of CADC.
    :param password: goes to ``url`` and nowhere else.
    :param url: the service that issues tokens.
    """

    renewal = "Correct the user name and the password."
    field = "login_url"

    def __init__(
        self,
        username: str,
        password: str,
        url: str = LOGIN_URL,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        username, password = Secret(username), Secret(password)
        super().__init__(url, username, password, transport=transport, clock=clock)
        self._username = username
        self._password = password

    @property
    def name(self) -> str:
        """What it is, for messages."""
        return "a token for the user name and password"

    async def _fetch(self) -> Grant:
        response = await self._send(
            "POST",
            form={"username": self._username, "password": self._password},
            # People confuse the two fields.
            secrets=(self._password, self._username),
        )
        token = Secret(response.text).strip()
        try:
            return Grant(bearer(token), self._clock(), expiry_of(token))
        except ValueError:
            raise self._unusable(response) from None


class ProxyCertificate(Login):
    """A proxy certificate for a user name and a password, for services that accept no token.

    :param username: of CADC.
    :param password: goes to ``url`` and nowhere else.
    :param url: the service that issues certificates, ``https://.../generate``; the registry has it as
        ``ivo://cadc.nrc.ca/cred``.
    :param days_valid: the lifetime to request; it is fetched again before it expires. If the service has a
        lower limit, its limit is requested instead.
    """

    field = "certificate_url"

    def __init__(
        self,
        username: str,
        password: str,
        url: str,
        *,
        days_valid: float = DAYS_VALID,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        username, password = Secret(username), Secret(password)
        super().__init__(username, password, url, transport=transport, clock=clock)
        self._days_valid = days_valid

    @property
    def name(self) -> str:
        """What it is, for messages."""
        return "a proxy certificate for the user name and password"

    async def _fetch(self) -> Grant:
        try:
            response = await self._generate()
        except AuthenticationError as error:
            allowed = _MAXIMUM.search(error.server_message)
            if allowed is None or not 0 < float(allowed[1]) < self._days_valid:
                raise
            log.info("%s allows %s days, not %g.", self._shown_url, allowed[1], self._days_valid)
            self._days_valid = float(allowed[1])
            response = await self._generate()
        try:
            loaded = await asyncio.to_thread(certificate.load, response.text)
        except SpecError:
            raise  # About the authorities that this machine trusts.
        except ValueError:
            # Neither the text nor a traceback whose frames hold it: it may contain a private key.
            raise self._unusable(response) from None
        return Grant(loaded.authorization, self._clock(), loaded.expires_at)

    async def _generate(self) -> ApiResponse:
        return await self._send(
            "GET",
            params={"daysValid": f"{self._days_valid:g}"},
            auth=(self._username, self._password),
            # People confuse the two fields.
            secrets=(self._password, self._username),
        )
