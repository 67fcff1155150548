"""An X.509 proxy certificate, which authenticates the connection and not the request."""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
import tempfile
import textwrap
import threading
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509

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
    expires_at: datetime
    authorization: Authorization = field(repr=False)


_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)


def restore_line_breaks(pem: str) -> str:
    r"""Return a PEM text with line breaks, if it has lost them.

    A single-line form field removes them, and a variable often has ``\n`` written out.

    >>> print(restore_line_breaks("-----BEGIN X-----QUJD-----END X-----"))
    -----BEGIN X-----
    QUJD
    -----END X-----
    """
    if re.search(r"-----BEGIN [A-Z0-9 ]+-----\s*\n", pem):
        return pem
    blocks = ((name, re.sub(r"\\n|\s", "", content)) for name, content in _BLOCK.findall(pem))
    return "\n".join(
        "\n".join([f"-----BEGIN {name}-----", *textwrap.wrap(content, 64), f"-----END {name}-----"])
        for name, content in blocks
    )


def load(pem: str, path: Path | None = None) -> LoadedCertificate:
    """Create a TLS context from a certificate with its private key and chain, all in one PEM text.

    It reads files, so keep it off the event loop. OpenSSL loads a key from a file only: a text without a path
    is on disk meanwhile, readable by its owner only.

    :param path: the file that has the same text already.
    :raises ValueError: for anything but a certificate, or if its key is missing or does not match.
    """
    leaf = x509.load_pem_x509_certificates(pem.encode())[0]
    tls = exchange.tls_context()
    if path is not None:
        _load_cert_chain(tls, path)
    else:
        with tempfile.NamedTemporaryFile("w", encoding="ascii", prefix="canfar-", suffix=".pem") as file:
            file.write(pem)
            file.flush()
            _load_cert_chain(tls, Path(file.name))
    subject = leaf.subject.rfc4514_string()
    return LoadedCertificate(pem, subject, leaf.not_valid_after_utc, Authorization(tls=tls))


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
        self._pem = restore_line_breaks(pem) if pem is not None else None
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

        :raises AuthenticationError: if it cannot be loaded, or has expired.
        """
        loaded = self._loaded
        if loaded is None or loaded.expires_at <= self._clock():
            loaded = await asyncio.to_thread(self._load, loaded)
        if loaded.expires_at <= self._clock():
            raise AuthenticationError(
                f"{_capitalized(self.name)} of {loaded.subject} expired at {loaded.expires_at}. "
                f"{self.renewal}"
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
                pem = self._pem if self._path is None else self._path.read_text("ascii")
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
