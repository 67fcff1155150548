"""Credentials that are fetched from a service, kept, and fetched again before they end."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airflow_provider_canfar.skaha import wire
from airflow_provider_canfar.skaha.credentials.grant_cache import shared
from airflow_provider_canfar.skaha.errors import AuthenticationError, Rejected, RequestError, ServerError
from airflow_provider_canfar.skaha.http import exchange
from airflow_provider_canfar.skaha.http.response import error_from

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import httpx

    from airflow_provider_canfar.skaha.credentials.base import Authorization
    from airflow_provider_canfar.skaha.credentials.grant_cache import Grant
    from airflow_provider_canfar.skaha.http.response import ApiResponse

#: Seconds to wait for the service that grants.
TIMEOUT = 60.0


def utc_now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


class FetchedCredential(ABC):
    """What all fetched credentials have in common: one grant in a process, and one fetch at a time.

    :param url: the service that grants.
    :param identity: what else makes two objects of a class the same account; it may hold secrets.
    :param transport: what carries requests to that service, for tests.
    :param clock: the time.
    :raises SpecError: for a URL that is none, or that would show the secret on the way.
    """

    renewal: str

    def __init__(
        self,
        url: str,
        *identity: str,
        transport: httpx.AsyncBaseTransport | None,
        clock: Callable[[], datetime],
    ) -> None:
        self._url = wire.service_url(url, f"URL of {type(self).__name__}")
        self._shared = shared(type(self).__name__, self._url, *identity)
        self._transport = transport
        self._clock = clock

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._url!r}, expires_at={self.expires_at})"

    @property
    @abstractmethod
    def name(self) -> str:
        """What it is, for messages."""

    @property
    def expires_at(self) -> datetime | None:
        """When what was fetched last ends."""
        grant = self._shared.grant
        return grant.expires_at if grant else None

    async def authorize(self) -> Authorization:
        """Return what was granted, and fetch it where there is nothing yet, or little time left.

        :raises AuthenticationError: when the service refuses.
        :raises RequestError: when the service cannot be asked.
        """
        grant = self._shared.grant
        if grant is None or grant.is_due(self._clock()):
            grant = await self._shared.fetch(self._fetch)
        return grant.authorization

    async def refresh(self, rejected: Authorization) -> bool:
        """Fetch another, unless somebody has done so since."""
        grant = self._shared.grant
        if grant is None or grant.authorization is rejected:
            await self._shared.fetch(self._fetch)
        return True

    @abstractmethod
    async def _fetch(self) -> Grant:
        """Ask the service."""

    async def _ask(
        self,
        method: str,
        *,
        form: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        secrets: Iterable[str] = (),
    ) -> ApiResponse:
        """Ask the service for a grant. Whatever comes of it, the platform itself has not been asked yet.

        :param secrets: what of it no message may repeat.
        :raises AuthenticationError: when the service does not take what it is shown.
        """
        parts = urlsplit(self._url)
        origin = f"{parts.scheme}://{parts.netloc}"
        headers = {"Content-Type": wire.FORM_TYPE} if form else {}
        try:
            with exchange.translate_errors(method, parts.path, origin):
                async with await asyncio.to_thread(self._new_client) as client:
                    response = await client.request(
                        method,
                        self._url,
                        params=params,
                        headers=headers,
                        content=wire.form_body(form.items()) if form else None,
                        auth=auth,
                    )
            answer = exchange.response_of(response, parts.path, origin, response.content, secrets)
            if not answer.is_good:
                raise error_from(answer)
        except RequestError as error:
            error.maybe_applied = False
            # A redirect refuses nobody: it is the address that is wrong, and the error says so.
            is_redirect = error.status is not None and error.status < 400
            if isinstance(error, AuthenticationError | Rejected) and not is_redirect:
                raise self._refused(error) from error
            raise
        return answer

    def _new_client(self) -> httpx.AsyncClient:
        return exchange.new_client(
            self._url,
            verify=True if self._transport else exchange.tls_context(self._url),
            transport=self._transport,
            timeout=exchange.timeout(TIMEOUT),
        )

    def _meaning(self, error: RequestError) -> str:
        """Say why the service refuses."""
        return error.server_message

    def _useless(self, answer: ApiResponse) -> ServerError:
        """Tell that what came is not what was asked for; not what came, as some of it may be secret."""
        return ServerError(
            f"{self._url} was asked for {self.name}, and answered with something else. Is that its address?",
            method=answer.method,
            path=answer.path,
            status=answer.status,
        )

    def _refused(self, error: RequestError) -> AuthenticationError:
        """Tell that the service does not take what it was shown."""
        why = self._meaning(error).rstrip(".") or error.status or "it wants another certificate"
        return AuthenticationError(
            f"{self._url} refuses {self.name}: {why}. {self.renewal}",
            method=error.method,
            path=error.path,
            status=error.status,
            server_message=error.server_message,
        )
