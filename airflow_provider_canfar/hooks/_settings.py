"""The fields of an Airflow connection, parsed for the client. No Airflow in it, and no I/O."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import SplitResult, urlsplit
from uuid import uuid4

from airflow_provider_canfar.connection_form import CONNECTION_FIELDS
from airflow_provider_canfar.hooks._storage_settings import default_mount, storage_mount, storage_url
from airflow_provider_canfar.skaha.client import DEFAULT_TIMEOUTS, SkahaClient, Timeouts
from airflow_provider_canfar.skaha.credentials import RegistryCredential, credential_from_connection
from airflow_provider_canfar.skaha.errors import SpecError
from airflow_provider_canfar.skaha.http import urls
from airflow_provider_canfar.skaha.http.retrying import RETRY_FOR
from airflow_provider_canfar.skaha.metrics import NO_METRICS, Metrics
from airflow_provider_canfar.skaha.remembered_offer import RememberedOffer
from airflow_provider_canfar.skaha.secret import Secret, concealed, described
from airflow_provider_canfar.skaha.storage.client import StorageClient

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.credentials import Credential

#: CANFAR's own service, for a connection without a host, and its path, for one without a path.
CANFAR_HOST = "ws-uv.canfar.net"
SERVICE_PATH = "skaha/v1"

# What a copied address may have after the service's own path (skaha's endpoints, and its VOSI ones).
_RESOURCES = frozenset(["session", "image", "context", "repository", "capabilities", "availability"])

#: The extras that are secret, besides the registry's, which does not identify the account.
SECRET_EXTRAS = ("proxy_certificate", "client_secret", "refresh_token")


@dataclass(frozen=True, slots=True, repr=False)
class Settings:
    """The platform's URL, and the credential for it.

    :param url: the service's base URL up to its version, such as ``https://ws-uv.canfar.net/skaha/v1``.
    :param credential: authenticates the requests; its repr shows no secret.
    :param registry: for private images; None if the connection has none.
    :param timeouts: seconds to wait for the server.
    :param account: distinguishes this account from others in a process: a hash, which reveals nothing.
    :param secrets: the connection's own secrets, which seal what a deferral carries.
    :param certificate: the path of a file that holds the secret instead.
    :param storage_url: the base URL of the storage; "" for the host's own.
    :param storage_mount: the folder in which sessions see the storage, if the connection says so.
    """

    url: str
    credential: Credential
    registry: RegistryCredential | None = None
    timeouts: Timeouts = DEFAULT_TIMEOUTS
    account: str = dataclasses.field(default_factory=lambda: uuid4().hex)
    secrets: tuple[str, ...] = ()
    certificate: str | None = None
    storage_url: str = ""
    storage_mount: str | None = None

    def __repr__(self) -> str:
        return f"Settings({urls.shown(self.url)!r}, {self.credential!r})"

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
        """Parse the fields of an Airflow connection.

        Unknown extras are ignored, unless one looks like a misspelt one of ours.

        :raises SpecError: with the field, if they do not make a URL and a credential.
        """
        # Nothing in a frame shows what may be secret; which field that is, a mistake decides.
        host, schema, login, password, extra = concealed((host, schema, login, password, extra))
        if not isinstance(extra, Mapping):
            raise SpecError('Invalid extra: must be a JSON object, such as {"timeout": 60}.')
        _reject_misspelt(extra)
        url = service_url(host, port, schema)
        return cls(
            url=url,
            credential=credential_from_connection(login=login, password=password, extra=extra, platform=url),
            registry=_registry(extra.get("registry_username"), extra.get("registry_secret")),
            timeouts=Timeouts(
                create=_seconds(extra, "create_timeout", DEFAULT_TIMEOUTS.create),
                other=_seconds(extra, "timeout", DEFAULT_TIMEOUTS.other),
            ),
            account=_hash(url, login, password, extra),
            # Without what is around them, to mask them in either form.
            secrets=tuple(str(one).strip() for one in (password, *map(extra.get, SECRET_EXTRAS)) if one),
            certificate=extra.get("certificate") or None,
            storage_url=storage_url(extra, url),
            storage_mount=storage_mount(extra),
        )

    def client(self, *, retry_for: float | None = None, metrics: Metrics = NO_METRICS) -> SkahaClient:
        """Return a client, to be opened with ``async with``."""
        return SkahaClient(
            self.url,
            self.credential,
            registry=self.registry,
            timeouts=self.timeouts,
            retry_for=RETRY_FOR if retry_for is None else retry_for,
            offer=_offers.setdefault(self.account, RememberedOffer()),
            metrics=metrics,
        )

    def storage(self, *, retry_for: float | None = None) -> StorageClient:
        """Return a client of the storage, to be opened with ``async with``."""
        return StorageClient(
            self.storage_url or storage_url({}, self.url),
            self.credential,
            timeouts=self.timeouts,
            retry_for=RETRY_FOR if retry_for is None else retry_for,
        )

    async def mount_of(self, storage: StorageClient) -> str:
        """Return the folder in which sessions see the storage."""
        if self.storage_mount:
            return self.storage_mount
        # The emulator's sessions are processes of this machine, which has no /arc. No other service is asked.
        is_local = urls.is_loopback(urlsplit(storage.url).hostname or "")
        return (await storage.mount() if is_local else None) or default_mount(storage.url)


#: What the platform offers to each account, for all of its clients in this process.
_offers: dict[str, RememberedOffer] = {}


def _reject_misspelt(extra: Mapping[str, Any]) -> None:
    for name in (name for name in extra if name not in CONNECTION_FIELDS):
        word = name.lower().replace("-", "_")
        for near in difflib.get_close_matches(word, CONNECTION_FIELDS, n=1, cutoff=0.8):
            raise SpecError(
                f"Unknown connection extra {name!r}. Did you mean {near!r}? "
                f"The extras are {', '.join(CONNECTION_FIELDS)}."
            )


def _registry(username: object, secret: object) -> RegistryCredential | None:
    if not username and not secret:
        return None
    if not (username and secret):
        raise SpecError(
            "Invalid registry credential: must have both registry_username and registry_secret. Fill in both "
            "or neither; the registry shows the secret as the CLI secret of your user profile."
        )
    # In JSON, digits may be a number.
    return RegistryCredential(str(username), str(secret))


#: Known to this process only, so that a password cannot be found by trying hashes.
_SALT = os.urandom(16)


def _hash(*identity: object) -> str:
    text = json.dumps(identity, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), key=_SALT, digest_size=16).hexdigest()


def _seconds(extra: Mapping[str, Any], name: str, default: float) -> float:
    value = extra.get(name)
    if value in (None, ""):
        return default
    seconds = 0.0
    with suppress(TypeError, ValueError):
        seconds = float(value)
    if not 0 < seconds < 3600:
        raise SpecError(
            f"Invalid {name} ({described(value)}): must be a number of seconds, more than 0 and less than "
            "3600. "
            f"Omit it for {default:g}."
        )
    return seconds


def service_url(host: str | None, port: int | None = None, schema: str | None = None) -> str:
    """Return the service's base URL of a connection's fields.

    The JSON form of a connection has the whole URL in ``host``. Airflow splits a URI into its parts, and
    passes its path as ``schema``; as in Airflow's HTTP connections, that may also be ``http`` or ``https``.
    Omitted parts default to CANFAR's host, the path ``skaha/v1``, and https; or http on this machine, for the
    emulator.

    >>> service_url("http://127.0.0.1:8099/skaha/v1"), service_url("127.0.0.1", 8099)
    ('http://127.0.0.1:8099/skaha/v1', 'http://127.0.0.1:8099/skaha/v1')
    >>> service_url("src.canfar.net", schema="skaha/v2")
    'https://src.canfar.net/skaha/v2'

    People copy addresses from a browser or a script: a resource at the end is left out, a missing version
    added.

    >>> service_url("https://ws-uv.canfar.net/skaha/v1/session"), service_url("https://ws-uv.canfar.net/skaha")
    ('https://ws-uv.canfar.net/skaha/v1', 'https://ws-uv.canfar.net/skaha/v1')

    :raises SpecError: if they do not make a URL, or contradict each other.
    """
    if port and not host:
        raise SpecError("Invalid port: there is no host. Fill in the host, or omit both.")
    host, schema = concealed((host, schema))
    word = Secret((schema or "").strip().strip("/"))
    scheme, path = (word, "") if word in {"http", "https"} else ("", word)
    parts, its_port = _split(host or CANFAR_HOST, scheme)
    its_path, path = Secret(_base_path(parts.path)), Secret(_base_path(path))
    for field, value, its_value in (("port", port, its_port), ("schema", path, its_path)):
        if value and its_value and value != its_value:
            raise SpecError(
                f"Invalid {field}: the host already has another {field if field == 'port' else 'path'}. "
                f"Omit the {field}, or remove it from the host."
            )
    if port and not its_port:
        parts = parts._replace(netloc=Secret(f"{parts.netloc}:{port}"))
    parts = parts._replace(path=Secret(f"/{its_path or path or SERVICE_PATH}"))
    return urls.service_url(parts.geturl(), "host")


def _base_path(path: str) -> str:
    """Return the path of the service that has a resource's path, with a version."""
    words = [word for word in path.strip().split("/") if word]
    if words and words[-1] in _RESOURCES:
        words.pop()
    if words and words[-1] == "skaha":
        words.append(SERVICE_PATH.rpartition("/")[2])
    return "/".join(words)


def _split(host: str, scheme: str) -> tuple[SplitResult, int | None]:
    """Split the host field into its parts; an absent one is empty, except the scheme."""
    if "@" in host:
        # The message omits it: what is before the "@" is most likely a secret.
        raise SpecError(
            "Invalid host: must not contain a user or a password. Fill in login and password instead."
        )
    try:
        if "://" not in host:
            host = Secret(f"[{host}]") if _is_ipv6(host) else host
            is_local = urls.is_loopback(urlsplit(f"//{host}").hostname or "")
            host = Secret(f"{scheme or ('http' if is_local else 'https')}://{host}")
        # Its repr shows no part.
        parts = SplitResult(*map(Secret, urlsplit(host)))
        return parts, parts.port
    except ValueError:
        pass
    # Not within the except: the context's words and frames have the host.
    raise SpecError(
        f"Invalid host ({described(host)}): must be a URL, such as 'https://{CANFAR_HOST}/skaha/v1'."
    )


def _is_ipv6(host: str) -> bool:
    """Whether it is a bare IPv6 address, as Airflow makes of a URI's ``[::1]``."""
    try:
        return ip_address(host).version == 6
    except ValueError:
        return False
