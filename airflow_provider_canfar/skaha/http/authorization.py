"""What :class:`~.client.HttpClient` needs of a credential."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import ssl
    from datetime import datetime


@dataclass(frozen=True, slots=True, eq=False)
class Authorization:
    """What authenticates one request. The repr shows neither part.

    :param headers: for the request.
    :param tls: for the connection; None for a connection without a client certificate.
    """

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)


class Credential(Protocol):
    """Authenticates requests and knows when it expires. Its repr and its messages contain no secret."""

    @property
    def name(self) -> str:
        """What it is, for messages: ``the bearer token``."""

    @property
    def renewal(self) -> str:
        """What a person does when the server refuses it, as a sentence."""

    @property
    def expires_at(self) -> datetime | None:
        """When it expires; None if that is not known (yet)."""

    async def authorize(self) -> Authorization:
        """Return what authenticates a request now; fetch a new one first if it is about to expire.

        :raises AuthenticationError: if there is nothing valid.
        """

    async def refresh(self, rejected: Authorization) -> bool:
        """Replace what the server has just refused, if possible.

        Many callers may ask at once; one fetch serves them all.

        :param rejected: what the refused request carried.
        :returns: whether another request with :meth:`authorize` makes sense.
        """
