"""One exchange over HTTP: its timeouts, its TLS, and what it means when no response arrives."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from airflow_provider_canfar.skaha.errors import (
    AuthenticationError,
    RequestError,
    SpecError,
    TLSVerificationError,
    Unreachable,
)
from airflow_provider_canfar.skaha.http import library_logs
from airflow_provider_canfar.skaha.http.redaction import Redactor
from airflow_provider_canfar.skaha.http.response import ApiResponse, excerpt
from airflow_provider_canfar.skaha.http.urls import is_loopback

library_logs.mask()

#: Without this type the server reads no parameter of a POST; without the charset, it reads them as ISO-8859-1
#: (SyncInput, and Tomcat's default).
FORM_TYPE = "application/x-www-form-urlencoded; charset=UTF-8"

#: A host that does not accept a connection in this many seconds is unreachable.
CONNECT_TIMEOUT = 15.0

#: What of a connection has the platform's address, for a message.
HOST = "the host"

# These happen before any part of the request has left. After any other failure, the server may have acted.
_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.LocalProtocolError,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)

# OpenSSL's names for the alerts with which a server rejects a client's certificate.
_REJECTED_CERTIFICATE = (
    "ALERT_CERTIFICATE",
    "ALERT_BAD_CERTIFICATE",
    "CERTIFICATE_REQUIRED",
    "ALERT_UNKNOWN_CA",
)


def timeout(seconds: float) -> httpx.Timeout:
    """Limit each wait for the server, and separately the wait for a connection."""
    return httpx.Timeout(seconds, connect=min(seconds, CONNECT_TIMEOUT), pool=None)


def tls_context(url: str = "https:") -> ssl.SSLContext:
    """Return the trusted authorities, from ``SSL_CERT_FILE`` if set. It reads files, so use a thread.

    :param url: the server; plain http needs no authorities, and reading them takes longer than a request.
    :raises SpecError: if that file cannot be read.
    """
    if url.startswith("http:"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        return httpx.create_ssl_context()
    except OSError as error:  # OpenSSL's own is one as well; neither names the file.
        raise SpecError(
            f"Invalid SSL_CERT_FILE {os.environ.get('SSL_CERT_FILE')!r}: {error.strerror or error}. "
            "It must be the path of a PEM file with the trusted authorities. Correct it, or unset it."
        ) from None


def new_client(
    url: str, *, verify: ssl.SSLContext | bool, transport: httpx.AsyncBaseTransport | None, **options: Any
) -> httpx.AsyncClient:
    """Create a client for one service. It follows no redirect: the credential is for that service alone.

    :param url: the service.
    :raises SpecError: if the environment names a proxy that cannot be used.
    """
    library_logs.hide_path(url)
    try:
        return httpx.AsyncClient(
            verify=verify,
            transport=transport,
            follow_redirects=False,
            # A proxy from the environment is for other hosts. On the way to this machine, it would see the
            # credential, as plain http is allowed there.
            trust_env=not is_loopback(httpx.URL(url).host),
            **options,
        )
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        # A proxy's URL may contain a password; only the words about a missing package are known not to.
        why = (
            str(error).rstrip(".")
            if isinstance(error, ImportError)
            else "must be a URL with http, https or socks5"
        )
        raise SpecError(
            f"Invalid proxy in the environment (HTTPS_PROXY, ALL_PROXY): {why}. Correct it, or add "
            f"{httpx.URL(url).host} to NO_PROXY."
        ) from None


def response_of(
    response: httpx.Response,
    path: str,
    base: str,
    body: bytes = b"",
    *,
    secrets: Iterable[str] = (),
    public: Iterable[str] = (),
) -> ApiResponse:
    """Convert httpx's response into ours.

    :param path: of the request, relative to ``base``.
    :param secrets: secrets in the request besides its headers, which no message may repeat.
    :param public: what the request shows openly.
    """
    return ApiResponse(
        method=response.request.method,
        path=path,
        base=base,
        status=response.status_code,
        headers=response.headers,
        body=body,
        request_headers=response.request.headers,
        secrets=tuple(secrets),
        public=tuple(public),
    )


@contextmanager
def translate_errors(
    method: str, path: str, base: str, secrets: Iterable[str] = (), *, field: str = HOST
) -> Iterator[None]:
    """Raise httpx's errors as ours.

    Theirs do not go along as the cause: their frames hold the request, and their words may be the server's.

    :param base: the server, for the message.
    :param secrets: secrets in the request, which no message may repeat.
    :param field: what of a connection has the server's address, for the message.
    """
    try:
        yield
        return
    # With TLS 1.3 the server checks the client's certificate after the handshake, and its alert arrives with
    # the first read, where httpcore does not translate it.
    except (httpx.RequestError, ssl.SSLError) as error:
        failure = _request_error(error, base, field, {"method": method, "path": path}, Redactor(secrets))
    try:
        raise failure
    finally:
        # Python sets it even here, as the caller's with statement is still handling that error.
        failure.__context__ = None


def _request_error(
    error: Exception, base: str, field: str, facts: dict[str, Any], redactor: Redactor
) -> RequestError:
    tls = _tls_error(error)
    if isinstance(tls, ssl.SSLCertVerificationError):
        return TLSVerificationError(
            f"Could not verify the TLS certificate of {base}: {tls.verify_message}. A retry does not help. "
            "If your own authority signed it, set SSL_CERT_FILE to that authority's file.",
            **facts,
        )
    reason = str(getattr(tls, "reason", None) or "")
    if any(alert in reason for alert in _REJECTED_CERTIFICATE):
        alert = reason.partition("ALERT_")[2].replace("_", " ").lower() or "certificate required"
        return AuthenticationError(f"{base} rejected the client certificate: {alert}.", **facts)
    # A response that is not HTTP is quoted by h11.
    why = _TIMEOUTS.get(type(error)) or excerpt(str(error), redactor) or type(error).__name__
    return Unreachable(
        f"No response from {base} to {facts['method']} {facts['path']}: {why}. If that lasts, check {field} "
        "in the connection, and that this machine can reach it.",
        maybe_applied=not isinstance(error, _NEVER_SENT),
        **facts,
    )


# httpx raises these without a message.
_TIMEOUTS: dict[type[Exception], str] = {
    httpx.ConnectTimeout: "no connection within the timeout",
    httpx.ReadTimeout: "nothing arrived within the timeout",
    httpx.WriteTimeout: "could not send the request within the timeout",
}


def _tls_error(error: BaseException | None) -> ssl.SSLError | None:
    """Find TLS's own error below httpx, httpcore and anyio, but not one that was handled before them."""
    while error is not None and not isinstance(error, ssl.SSLError):
        is_theirs = type(error).__module__.partition(".")[0] in {"httpx", "httpcore", "anyio"}
        error = (error.__cause__ or error.__context__) if is_theirs else None
    return error
