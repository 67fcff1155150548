"""An X.509 proxy certificate, which goes with the connection and not with the request."""

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

from airflow_provider_canfar.skaha.credentials.base import Authorization
from airflow_provider_canfar.skaha.credentials.fetched import utc_now
from airflow_provider_canfar.skaha.errors import AuthenticationError, SpecError
from airflow_provider_canfar.skaha.http import exchange

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

log = logging.getLogger(__name__)

#: A certificate that ends sooner than this is worth a warning.
SOON = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A certificate as it was read.

    :param pem: the text that it was read from.
    :param subject: whose it is.
    """

    pem: str = field(repr=False)
    subject: str
    expires_at: datetime
    authorization: Authorization = field(repr=False)


_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)


def in_lines(pem: str) -> str:
    r"""Return a PEM text in lines, where it has lost them.

    A form's field of one line takes them away, and a variable often has ``\n`` written out.

    >>> print(in_lines("-----BEGIN X-----QUJD-----END X-----"))
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


def load(pem: str, path: Path | None = None) -> Loaded:
    """Make a TLS context of a certificate with its private key and chain, all in one PEM text.

    It reads files, so keep it off the event loop. OpenSSL takes a key from a file only: a text without a path
    is on disk while that lasts, readable by nobody else.

    :param path: where the same text is on disk already.
    :raises ValueError: for what is no certificate, or has no key that goes with it.
    """
    leaf = x509.load_pem_x509_certificates(pem.encode())[0]
    tls = exchange.tls_context()
    if path is not None:
        _present(tls, path)
    else:
        with tempfile.NamedTemporaryFile("w", encoding="ascii", prefix="canfar-", suffix=".pem") as file:
            file.write(pem)
            file.flush()
            _present(tls, Path(file.name))
    return Loaded(pem, leaf.subject.rfc4514_string(), leaf.not_valid_after_utc, Authorization(tls=tls))


def _present(tls: ssl.SSLContext, path: Path) -> None:
    try:
        # Without a password of ours, OpenSSL would ask for that of an encrypted key at the terminal.
        tls.load_cert_chain(path, password="")
    except ssl.SSLError as error:
        raise ValueError(
            f"its private key is missing, encrypted, or of another certificate ({error.reason})"
        ) from None


class Certificate:
    """A proxy certificate with its private key: a file that somebody keeps fresh, or its very text.

    A file is read again when the certificate has ended or is refused: whoever renews it there renews it here.

    :param path: where the PEM file is; ``~`` is the home of whoever runs this process.
    :param pem: the PEM text itself. On disk for as long as OpenSSL takes to read it, and by its owner only.
    :param clock: the time.
    :raises SpecError: where not exactly one of the two is given.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        pem: str | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        if (path is None) == (pem is None):
            raise SpecError("A certificate is a path or a PEM text. Give one of the two.")
        try:
            self._path = Path(path).expanduser() if path is not None else None
        except RuntimeError:
            raise SpecError(
                f"The path {str(path)!r} is refused: there is no such home. Write it out."
            ) from None
        self._pem = in_lines(pem) if pem is not None else None
        self._clock = clock
        self._loaded: Loaded | None = None
        self._warned_of: Loaded | None = None
        self._reading = threading.Lock()

    def __repr__(self) -> str:
        place = str(self._path) if self._path else "PEM"
        return f"Certificate({place!r}, expires_at={self.expires_at})"

    @property
    def name(self) -> str:
        """What it is, for messages."""
        return (
            f"the proxy certificate {self._path}"
            if self._path
            else "the proxy certificate that was given as text"
        )

    @property
    def renewal(self) -> str:
        """What a person does when it is refused."""
        place = "put it there" if self._path else "give its text"
        return f"Get a new one with `cadc-get-cert -u <CADC user name>`, and {place}."

    @property
    def expires_at(self) -> datetime | None:
        """When it ends; None before it has been read."""
        return self._loaded.expires_at if self._loaded else None

    async def authorize(self) -> Authorization:
        """Return the certificate, read afresh where it has ended.

        :raises AuthenticationError: when it cannot be read, or has ended.
        """
        loaded = self._loaded
        if loaded is None or loaded.expires_at <= self._clock():
            loaded = await asyncio.to_thread(self._read, loaded)
        if loaded.expires_at <= self._clock():
            raise AuthenticationError(
                f"{_sentence(self.name)} of {loaded.subject} ended at {loaded.expires_at}. {self.renewal}"
            )
        if loaded.expires_at - self._clock() < SOON and self._warned_of is not loaded:
            self._warned_of = loaded
            log.warning("%s ends at %s. %s", _sentence(self.name), loaded.expires_at, self.renewal)
        return loaded.authorization

    async def refresh(self, rejected: Authorization) -> bool:
        """Read the file again, where there is one, and see whether it holds another certificate."""
        before = self._loaded
        if before is None or before.authorization is not rejected:
            return True
        return await asyncio.to_thread(self._read, before) is not before

    def _read(self, stale: Loaded | None) -> Loaded:
        """Read the certificate, unless somebody else has since; and keep it where it is still the same."""
        with self._reading:
            if self._loaded is not stale and self._loaded is not None:
                return self._loaded
            try:
                pem = self._pem if self._path is None else self._path.read_text("ascii")
                if stale is not None and stale.pem == pem:
                    return stale
                self._loaded = load(pem or "", self._path)
            except SpecError:
                raise  # It is about whom this machine trusts, not about the certificate.
            except (OSError, ValueError) as error:
                # The cause's own words, but not its traceback: its frames hold the private key.
                raise AuthenticationError(
                    f"{_sentence(self.name)} cannot be read: {error}. {self.renewal}"
                ) from None
        return self._loaded


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]
