"""An X.509 proxy certificate, which authenticates the connection and not the request."""

from __future__ import annotations

import asyncio
import logging
import ssl
import tempfile
import threading
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509

from airflow_provider_canfar.skaha.credentials import pem as pem_text
from airflow_provider_canfar.skaha.credentials.expiry import utc_now
from airflow_provider_canfar.skaha.errors import AuthenticationError, SpecError
from airflow_provider_canfar.skaha.http import exchange
from airflow_provider_canfar.skaha.http.authorization import Authorization

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


def load(pem: str, path: Path | None = None) -> LoadedCertificate:
    """Create a TLS context from a certificate with its private key and chain, all in one PEM text.

    It reads files, so keep it off the event loop. OpenSSL loads a key from a file only: a text without a
    path, or one that is not in OpenSSL's form there, is on disk meanwhile, readable by its owner only.

    :param path: the file that has the same text already.
    :raises ValueError: for anything but a certificate, or if its key is missing or does not match.
    """
    normalized = pem_text.normalized(pem)
    leaf = x509.load_pem_x509_certificates(normalized.encode())[0]
    tls = exchange.tls_context()
    if path is not None and normalized == pem:
        _load_cert_chain(tls, path)
    else:
        with tempfile.NamedTemporaryFile("w", encoding="ascii", prefix="canfar-", suffix=".pem") as file:
            file.write(normalized)
            file.flush()
            _load_cert_chain(tls, Path(file.name))
    return LoadedCertificate(
        pem=pem,
        subject=leaf.subject.rfc4514_string(),
        starts_at=leaf.not_valid_before_utc,
        expires_at=leaf.not_valid_after_utc,
        authorization=Authorization(tls=tls),
    )


def _load_cert_chain(tls: ssl.SSLContext, path: Path) -> None:
    try:
        # Without a password of ours, OpenSSL would ask for that of an encrypted key at the terminal.
        tls.load_cert_chain(path, password="")
    except ssl.SSLError as error:
        raise ValueError(
            f"its private key is missing, encrypted, or of another certificate ({error.reason})"
        ) from None


class Certificate:
    """A proxy certificate with its private key: a file that somebody renews, or the text itself.

    A file is loaded again when the certificate has expired or is refused: renewing it there renews it here.

    :param path: the PEM file; ``~`` is the home directory of the user that runs this process.
        If OpenSSL does not read it as it is, the text is treated as ``pem`` is.
    :param pem: the PEM text itself. On disk for as long as OpenSSL takes to load it, readable by its owner
        only.
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
        try:
            self._path = Path(path).expanduser() if path is not None else None
        except RuntimeError:
            raise SpecError(
                f"Invalid certificate {str(path)!r}: there is no such home directory. Write the path out."
            ) from None
        self._pem = pem
        self._clock = clock
        self._loaded: LoadedCertificate | None = None
        self._warned_about: LoadedCertificate | None = None
        self._load_lock = threading.Lock()

    def __repr__(self) -> str:
        place = str(self._path) if self._path else "PEM"
        return f"Certificate({place!r}, expires_at={self.expires_at})"

    @property
    def name(self) -> str:
        """What it is, for messages."""
        return f"the proxy certificate {self._path}" if self._path else "the proxy certificate given as text"

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
                pem = self._pem if self._path is None else pem_text.decode(self._path.read_bytes())
                if stale is not None and stale.pem == pem:
                    return stale
                self._loaded = load(pem or "", self._path)
            except SpecError:
                raise  # About the authorities that this machine trusts, not about the certificate.
            except (OSError, ValueError) as error:
                # The cause's own words, but not its traceback: its frames hold the private key.
                raise AuthenticationError(f"Could not load {self.name}: {error}. {self.renewal}") from None
        return self._loaded


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]
