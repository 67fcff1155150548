"""What an Airflow connection says, read into what the client needs. No Airflow in it, and no I/O."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit
from uuid import uuid4

from airflow_provider_canfar.get_provider_info import CONNECTION_FIELDS
from airflow_provider_canfar.skaha import wire
from airflow_provider_canfar.skaha.client import SkahaClient, Timeouts
from airflow_provider_canfar.skaha.credentials import RegistryCredential, credential_from_connection
from airflow_provider_canfar.skaha.errors import SpecError
from airflow_provider_canfar.skaha.http.retrying import RETRY_FOR

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from airflow_provider_canfar.skaha.credentials import Credential

#: CANFAR's own service, where the connection names no host, and its path, where it names none.
CANFAR_HOST = "ws-uv.canfar.net"
SERVICE_PATH = "skaha/v1"

STANDARD_TIMEOUTS = Timeouts()


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the platform is, and who asks.

    :param url: the service's base URL up to its version, such as ``https://ws-uv.canfar.net/skaha/v1``.
    :param credential: signs the requests; its repr shows no secret.
    :param registry: for private images; None where the connection has none.
    :param timeouts: seconds to wait for the server.
    :param account: what tells this account from others in a process: a hash, of which nothing is to be read.
    """

    url: str
    credential: Credential
    registry: RegistryCredential | None = None
    timeouts: Timeouts = STANDARD_TIMEOUTS
    account: str = dataclasses.field(default_factory=lambda: uuid4().hex, repr=False)

    @classmethod
    def from_fields(
        cls,
        *,
        host: str | None,
        port: int | None,
        schema: str | None,
        login: str | None,
        password: str | None,
        extra: Mapping[str, Any],
    ) -> Self:
        """Read the fields of an Airflow connection.

        An extra of another name is left to whom it is for, unless it looks like one of ours, misspelt.

        :raises SpecError: when they do not make a URL or a credential; it names the field.
        """
        if not isinstance(extra, Mapping):
            raise SpecError('The extra is refused: it must be a JSON object, such as {"timeout": 60}.')
        _refuse_misspelt(extra)
        url = service_url(host, port, schema)
        return cls(
            url=url,
            credential=credential_from_connection(login=login, password=password, extra=extra),
            registry=_registry(extra.get("registry_username"), extra.get("registry_secret")),
            timeouts=Timeouts(
                create=_seconds(extra, "create_timeout", STANDARD_TIMEOUTS.create),
                other=_seconds(extra, "timeout", STANDARD_TIMEOUTS.other),
            ),
            account=_hash(url, login, password, extra),
        )

    def client(self, *, retry_for: float | None = None) -> SkahaClient:
        """Make a client, to be entered with ``async with``."""
        return SkahaClient(
            self.url,
            self.credential,
            registry=self.registry,
            timeouts=self.timeouts,
            retry_for=RETRY_FOR if retry_for is None else retry_for,
        )


def _refuse_misspelt(extra: Mapping[str, Any]) -> None:
    for name in (name for name in extra if name not in CONNECTION_FIELDS):
        word = name.lower().replace("-", "_")
        for meant in difflib.get_close_matches(word, CONNECTION_FIELDS, n=1, cutoff=0.8):
            raise SpecError(
                f"The extra {name!r} is refused, as it would be read by nobody. Did you mean {meant!r}? "
                f"The extras of this connection are {', '.join(CONNECTION_FIELDS)}."
            )


def _registry(username: object, secret: object) -> RegistryCredential | None:
    if not username and not secret:
        return None
    if not (username and secret):
        raise SpecError(
            "Of registry_username and registry_secret only one is there. Fill in both, or neither; the "
            "registry's own page shows the secret as the CLI secret of your user profile."
        )
    # Of JSON, digits may come as a number.
    return RegistryCredential(str(username), str(secret))


#: Known to this process only, so that nobody finds a password out by trying hashes.
_SALT = os.urandom(16)


def _hash(*identity: object) -> str:
    text = json.dumps(identity, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), key=_SALT, digest_size=16).hexdigest()


def _seconds(extra: Mapping[str, Any], name: str, otherwise: float) -> float:
    value = extra.get(name)
    if value in (None, ""):
        return otherwise
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = 0.0
    if not 0 < seconds < 3600:
        raise SpecError(
            f"{name}={value!r} is refused: it must be a number of seconds, more than 0 and less than 3600. "
            f"Leave it out for {otherwise:g}."
        )
    return seconds


def service_url(host: str | None, port: int | None = None, schema: str | None = None) -> str:
    """Make the service's base URL of a connection's fields.

    The JSON form of a connection has the whole URL in ``host``. A URI is taken apart by Airflow, and its path
    arrives as ``schema``; as in Airflow's HTTP connections, that may also say ``http`` or ``https``. What is
    left out is CANFAR's host, the path ``skaha/v1``, and https; or http on this machine, where the emulator
    is.

    >>> service_url("http://127.0.0.1:8099/skaha/v1"), service_url("127.0.0.1", 8099)
    ('http://127.0.0.1:8099/skaha/v1', 'http://127.0.0.1:8099/skaha/v1')
    >>> service_url("src.canfar.net", schema="skaha/v2")
    'https://src.canfar.net/skaha/v2'

    :raises SpecError: when they are no URL, or say two things at once.
    """
    if port and not host:
        raise SpecError(f"The port {port} is refused without a host. Fill in the host, or leave both out.")
    word = (schema or "").strip().strip("/")
    scheme, path = (word, "") if word in {"http", "https"} else ("", word)
    parts, its_port = _split(host or CANFAR_HOST, scheme)
    its_path = parts.path.strip("/")
    for field, value, its_value in (("port", port, its_port), ("schema", path, its_path)):
        if value and its_value and value != its_value:
            raise SpecError(
                f"The {field} {value!r} is refused: the host says {its_value!r} already. "
                f"Leave the {field} out, or take it out of the host."
            )
    if port and not its_port:
        parts = parts._replace(netloc=f"{parts.netloc}:{port}")
    return wire.service_url(parts._replace(path=f"/{its_path or path or SERVICE_PATH}").geturl(), "host")


def _split(host: str, scheme: str) -> tuple[SplitResult, int | None]:
    """Take what the host field has apart; a part that is not there is empty, but for the scheme."""
    if "@" in host:
        # It is not shown: what is before the "@" is most likely a secret.
        raise SpecError(
            "The host is refused: it must hold no user and no password. Fill in login and password instead."
        )
    try:
        if "://" not in host:
            host = f"[{host}]" if _is_ipv6(host) else host
            name = urlsplit(f"//{host}").hostname or ""
            host = f"{scheme or ('http' if wire.is_loopback(name) else 'https')}://{host}"
        parts = urlsplit(host)
        return parts, parts.port
    except ValueError:
        raise SpecError(
            f"The host {host!r} is refused: it is no address. Write it like 'https://{CANFAR_HOST}/skaha/v1'."
        ) from None


def _is_ipv6(host: str) -> bool:
    """Whether it is an IPv6 address by itself, as Airflow leaves it of a URI's ``[::1]``."""
    try:
        return ip_address(host).version == 6
    except ValueError:
        return False
