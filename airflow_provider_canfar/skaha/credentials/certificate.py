"""An X.509 proxy certificate, which authenticates the connection and not the request."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import stat
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509

from airflow_provider_canfar.skaha.credentials import pem as pem_text
from airflow_provider_canfar.skaha.credentials.expiry import utc_now
from airflow_provider_canfar.skaha.credentials.memory_file import memory_file
from airflow_provider_canfar.skaha.errors import AuthenticationError, SpecError
from airflow_provider_canfar.skaha.http import exchange
from airflow_provider_canfar.skaha.http.authorization import Authorization
from airflow_provider_canfar.skaha.secret import Secret, described

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

log = logging.getLogger(__name__)

#: A certificate that expires sooner than this is worth a warning.
EXPIRY_WARNING = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class LoadedCertificate:
    """A certificate in memory.

    :param pem: the text that it was loaded from.
    :param subject: its owner.
    """

    pem: str = field(repr=False)
    subject: str
    starts_at: datetime
    expires_at: datetime
    authorization: Authorization = field(repr=False)

    def is_valid_at(self, now: datetime) -> bool:
        """Whether it is valid at a time."""
        return self.starts_at <= now < self.expires_at


def load(pem: str) -> LoadedCertificate:
    """Create a TLS context from a certificate with its private key and chain, all in one PEM text.

    It reads the trusted authorities from files, so keep it off the event loop.

    :raises ValueError: for anything but a certificate, or if its key is missing or does not match. The
        message contains nothing of the text.
    """
    pem = Secret(pem)
    normalized = Secret(pem_text.normalized(pem))
    leaf = _first_certificate(normalized)
    tls = exchange.tls_context()
    _load_cert_chain(tls, normalized)
    return LoadedCertificate(
        pem=pem,
        subject=leaf.subject.rfc4514_string(),
        starts_at=leaf.not_valid_before_utc,
        expires_at=leaf.not_valid_after_utc,
        authorization=Authorization(tls=tls),
    )


def _first_certificate(pem: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificates(pem.encode())[0]
    except ValueError:  # Its words may quote the text.
        raise ValueError("its first certificate is damaged, or not an X.509 one") from None


def _load_cert_chain(tls: ssl.SSLContext, pem: str) -> None:
    # Two files, as OpenSSL opens both, and where /dev/fd duplicates a descriptor they would share a position.
    with memory_file(pem) as certificates, memory_file(pem) as key:
        try:
            # Without a password of ours, OpenSSL would ask for that of an encrypted key at the terminal.
            tls.load_cert_chain(certificates, key, password="")
        except ssl.SSLError as error:
            raise ValueError(
                f"its private key is missing, encrypted, or of another certificate ({error.reason})"
            ) from None


class Certificate:
    """A proxy certificate with its private key: a file that somebody renews, or the text itself.

    A file is loaded again when the certificate has expired or is refused: renewing it there renews it here.

    :param path: the PEM file; ``~`` is the home directory of the user that runs this process. A warning says
        if other users may read it.
    :param pem: the PEM text itself, which is never on a disk under a name.
    :param clock: the current time.
    :raises SpecError: unless exactly one of the two is given.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        pem: str | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        if (path is None) == (pem is None):
            raise SpecError("Invalid certificate: must be either a path or a PEM text. Give one of the two.")
        path = None if path is None else Secret(path)
        # First: while the path is refused, an error reporter asks for the repr.
        self._path: Path | None = None
        self._loaded: LoadedCertificate | None = None
        self._is_file = False
        with suppress(RuntimeError):
            self._path = None if path is None else Path(path).expanduser()
        if path is not None and self._path is None:
            raise SpecError(
                "Invalid certificate: its path begins with a home directory that does not exist. "
                "Write the path out."
            )
        self._pem = Secret(pem) if pem is not None else None
        self._clock = clock
        self._warned_about: LoadedCertificate | None = None
        self._warned_of_mode = False
        self._load_lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Certificate({self._place!r}, expires_at={self.expires_at})"

    @property
    def _place(self) -> str:
        """The path, once it is known to be one: a connection's field may hold anything."""
        return "PEM" if self._path is None else str(self._path) if self._is_file else "path"

    @property
    def name(self) -> str:
        """What it is, for messages."""
        if self._path is None:
            return "the proxy certificate given as text"
        if self._is_file:
            return f"the proxy certificate {self._path}"
        return f"the proxy certificate at the configured path ({described(str(self._path))})"

    @property
    def renewal(self) -> str:
        """What a person does when the server refuses it."""
        place = "put it there" if self._path else "configure its text"
        return f"Get a new one with `cadc-get-cert -u <CADC user name>`, and {place}."

    @property
    def expires_at(self) -> datetime | None:
        """When it expires; None before it has been loaded."""
        return self._loaded.expires_at if self._loaded else None

    async def authorize(self) -> Authorization:
        """Return the certificate, loaded again if it has expired.

        :raises AuthenticationError: if it cannot be loaded, has expired, or is not valid yet.
        """
        loaded = self._loaded
        if loaded is None or not loaded.is_valid_at(self._clock()):
            loaded = await asyncio.to_thread(self._load, loaded)
        if loaded.expires_at <= self._clock():
            raise AuthenticationError(
                f"{_capitalized(self.name)} of {loaded.subject} expired at {loaded.expires_at}. "
                f"{self.renewal}"
            )
        if loaded.starts_at > self._clock():
            raise AuthenticationError(
                f"{_capitalized(self.name)} of {loaded.subject} is not valid before {loaded.starts_at}. Here "
                f"it is {self._clock():%Y-%m-%d %H:%M:%S%z}. Set this machine's clock, or wait."
            )
        if loaded.expires_at - self._clock() < EXPIRY_WARNING and self._warned_about is not loaded:
            self._warned_about = loaded
            log.warning("%s expires at %s. %s", _capitalized(self.name), loaded.expires_at, self.renewal)
        return loaded.authorization

    async def refresh(self, rejected: Authorization) -> bool:
        """Load the file again, if there is one, and return whether it contains another certificate."""
        previous = self._loaded
        if previous is None or previous.authorization is not rejected:
            return True
        return await asyncio.to_thread(self._load, previous) is not previous

    def _load(self, stale: LoadedCertificate | None) -> LoadedCertificate:
        """Load the certificate, unless another thread just has; keep the loaded one if it is unchanged."""
        with self._load_lock:
            if self._loaded is not stale and self._loaded is not None:
                return self._loaded
            try:
                pem = self._pem if self._path is None else self._read(self._path)
                if stale is not None and stale.pem == pem:
                    return stale
                self._loaded = load(pem or "")
                return self._loaded
            except SpecError:
                raise  # About the authorities that this machine trusts, not about the certificate.
            except OSError as error:  # Its own words have the path, which may be no path.
                problem = error.strerror or type(error).__name__
            except ValueError as error:
                # Also for a path with a NUL in it.
                problem = str(error)
        # Here the error has no context, whose frames hold the private key.
        raise AuthenticationError(f"Could not load {self.name}: {problem}. {self.renewal}")

    def _read(self, path: Path) -> Secret:
        with path.open("rb") as file:
            self._is_file = True
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077 and not self._warned_of_mode:
                self._warned_of_mode = True
                log.warning(
                    "Other users of this machine may read the private key in %s. Run `chmod 600` on it.", path
                )
            return Secret(pem_text.decode(file.read()))


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]
