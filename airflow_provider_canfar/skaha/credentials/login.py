"""A CADC user name and password, and what they are exchanged for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.credentials import certificate
from airflow_provider_canfar.skaha.credentials.base import expiry_of
from airflow_provider_canfar.skaha.credentials.fetched import FetchedCredential, utc_now
from airflow_provider_canfar.skaha.credentials.grant_cache import Grant
from airflow_provider_canfar.skaha.credentials.token import bearer
from airflow_provider_canfar.skaha.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import httpx

#: Where CADC exchanges a user name and password for a token.
LOGIN_URL = "https://ws-cadc.canfar.net/ac/login"

#: For how many days a proxy certificate is asked for.
DAYS_VALID = 10


class Login(FetchedCredential):
    """A token for a user name and a password, fetched again before it ends (after 48 hours).

    :param username: of CADC.
    :param password: goes to ``url`` and nowhere else.
    :param url: the service that gives tokens.
    """

    renewal = "Correct the user name and the password."

    def __init__(
        self,
        username: str,
        password: str,
        url: str = LOGIN_URL,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        super().__init__(url, username, password, transport=transport, clock=clock)
        self._username = username
        self._password = password

    @property
    def name(self) -> str:
        """What it is, for messages."""
        return f"a token for the user {self._username!r}"

    async def _fetch(self) -> Grant:
        answer = await self._ask(
            "POST",
            form={"username": self._username, "password": self._password},
            secrets=(self._password,),
        )
        token = answer.text.strip()
        try:
            return Grant(bearer(token), self._clock(), expiry_of(token))
        except ValueError:
            raise self._useless(answer) from None


class ProxyCertificate(Login):
    """A proxy certificate for a user name and a password, for services that take no token.

    :param username: of CADC.
    :param password: goes to ``url`` and nowhere else.
    :param url: the service that issues certificates, ``https://.../generate``; the registry has it as
        ``ivo://cadc.nrc.ca/cred``.
    :param days_valid: how long one lasts; it is fetched again before it ends. The service has a bound.
    """

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
        super().__init__(username, password, url, transport=transport, clock=clock)
        self._days_valid = days_valid

    @property
    def name(self) -> str:
        """What it is, for messages."""
        return f"a proxy certificate for the user {self._username!r}"

    async def _fetch(self) -> Grant:
        answer = await self._ask(
            "GET",
            params={"daysValid": f"{self._days_valid:g}"},
            auth=(self._username, self._password),
            secrets=(self._password,),
        )
        try:
            loaded = await asyncio.to_thread(certificate.load, answer.text)
        except SpecError:
            raise  # It is about whom this machine trusts.
        except ValueError:
            # Neither the text nor a traceback whose frames hold it: there may be a private key in it.
            raise self._useless(answer) from None
        return Grant(loaded.authorization, self._clock(), loaded.expires_at)
