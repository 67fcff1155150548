"""Credentials that are fetched from a service, cached, and fetched again before they expire."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from airflow_provider_canfar.skaha.credentials.grant_cache import grant_cache_of
from airflow_provider_canfar.skaha.errors import AuthenticationError, Rejected, RequestError, ServerError
from airflow_provider_canfar.skaha.http import body, exchange
from airflow_provider_canfar.skaha.http.response import error_from
from airflow_provider_canfar.skaha.http.urls import hidden_words, service_url, shown
from airflow_provider_canfar.skaha.secret import Secret, concealed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    import httpx

    from airflow_provider_canfar.skaha.credentials.grant_cache import Grant
    from airflow_provider_canfar.skaha.http.authorization import Authorization
    from airflow_provider_canfar.skaha.http.response import ApiResponse

#: The most bytes of a grant: a token, or a certificate with its chain and its key.
MAX_GRANT = 1024 * 1024

#: Seconds to wait for the granting service.
TIMEOUT = 60.0


class FetchedCredential(ABC):
    """What all fetched credentials share: one grant in a process, and one fetch at a time.

    :param url: the granting service.
    :param identity: what else makes two objects of a class the same account; it may contain secrets.
    :param transport: sends requests to that service, for tests.
    :param clock: the current time.
    :raises SpecError: for an invalid URL, or one that would expose the secret on the way.
    """

    renewal: str
    #: What of a connection has the URL, for messages.
    field: str
    _shown_url = ""

    def __init__(
        self,
        url: str,
        *identity: str,
        transport: httpx.AsyncBaseTransport | None,
        clock: Callable[[], datetime],
    ) -> None:
        self._url = service_url(url, self.field)
        self._shown_url = shown(self._url)
        parts = urlsplit(self._shown_url)
        self._origin, self._shown_path = f"{parts.scheme}://{parts.netloc}", parts.path
        self._cache = grant_cache_of(type(self).__name__, self._url, *identity)
        self._transport = transport
        self._clock = clock

    def __repr__(self) -> str:
        # While its URL is refused, an error reporter asks for it.
        expires_at = self.expires_at if self._shown_url else None
        return f"{type(self).__name__}({self._shown_url!r}, expires_at={expires_at})"

    @property
    @abstractmethod
    def name(self) -> str:
        """What it is, for messages."""

    @property
    def expires_at(self) -> datetime | None:
        """When the last grant expires."""
        grant = self._cache.grant
        return grant.expires_at if grant else None

    async def authorize(self) -> Authorization:
        """Return the grant's authorization; fetch one first if there is none, or it expires soon.

        :raises AuthenticationError: if the service refuses.
        :raises RequestError: if the service cannot be reached.
        """
        grant = self._cache.grant
        if grant is None or grant.is_due(self._clock()):
            grant = await self._cache.fetch(self._fetch)
        return grant.authorization

    async def refresh(self, rejected: Authorization) -> bool:
        """Fetch another, unless another caller has already done so."""
        grant = self._cache.grant
        if grant is None or grant.authorization is rejected:
            await self._cache.fetch(self._fetch)
        return True

    @abstractmethod
    async def _fetch(self) -> Grant:
        """Request a grant from the service."""

    async def _send(
        self,
        method: str,
        *,
        form: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        secrets: Iterable[str] = (),
    ) -> ApiResponse:
        """Send a request for a grant. Whatever happens, the platform itself has not received anything yet.

        :param secrets: the parts of the request that no message may repeat.
        :raises AuthenticationError: if the service rejects the login, or whatever else the request presents.
        """
        form, secrets = concealed(form), (*hidden_words(self._url), *map(Secret, secrets))
        origin, path = self._origin, self._shown_path
        try:
            with exchange.translate_errors(method, path, origin, secrets, field=self.field):
                async with (
                    await asyncio.to_thread(self._new_client) as client,
                    client.stream(
                        method,
                        self._url,
                        params=params,
                        headers={"Content-Type": exchange.FORM_TYPE} if form else {},
                        content=Secret(urlencode(form)) if form else None,
                        auth=auth,
                    ) as reply,
                ):
                    is_success = exchange.response_of(reply, path, origin).is_success
                    read = body.read(reply, MAX_GRANT, path) if is_success else body.read_start(reply)
                    response = exchange.response_of(reply, path, origin, await read, secrets=secrets)
            if not response.is_success:
                raise error_from(response)
        except RequestError as error:
            error.maybe_applied = False
            # A redirect is not about the credential: the URL is wrong, and the error says so.
            is_redirect = error.status is not None and error.status < 400
            if isinstance(error, AuthenticationError | Rejected) and not is_redirect:
                raise self._refused(error) from error
            raise
        return response

    def _new_client(self) -> httpx.AsyncClient:
        return exchange.new_client(
            self._url,
            verify=True if self._transport else exchange.tls_context(self._url),
            transport=self._transport,
            timeout=exchange.timeout(TIMEOUT),
            headers={"Accept-Encoding": body.ACCEPT_ENCODING},
        )

    def _reason(self, error: RequestError) -> str:
        """Return why the service refuses."""
        return error.server_message

    def _unusable(self, response: ApiResponse) -> ServerError:
        """Return the error for a response without a grant. Its text is omitted, as it may be secret."""
        return ServerError(
            f"The response of {self._shown_url} does not contain {self.name}. Is the URL right?",
            method=response.method,
            path=response.path,
            status=response.status,
        )

    def _refused(self, error: RequestError) -> AuthenticationError:
        why = self._reason(error).rstrip(".") or error.status or "it requires another certificate"
        return AuthenticationError(
            f"{self._shown_url} refused {self.name}: {why}. {self.renewal}", **error.facts
        )
