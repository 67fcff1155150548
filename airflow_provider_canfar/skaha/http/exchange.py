"""One exchange over HTTP: how long it may take, whom it trusts, and what it means when no answer comes."""

from __future__ import annotations

import logging
import os
import re
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from airflow_provider_canfar.skaha import wire
from airflow_provider_canfar.skaha.errors import (
    AuthenticationError,
    RequestError,
    SpecError,
    TLSVerificationError,
    Unreachable,
)
from airflow_provider_canfar.skaha.http.response import ApiResponse

# At DEBUG, httpcore logs the headers of each answer, and a login's answer carries the token in one of them.
_SECRET_HEADER = re.compile(r"(?i)(b'(?:x-vo-bearer|set-cookie|authorization)', b)('[^']*'|\"[^\"]*\")")


def _without_headers(record: logging.LogRecord) -> bool:
    if isinstance(record.msg, str):
        record.msg = _SECRET_HEADER.sub(r"\1'***'", record.msg)
    return True


logging.getLogger("httpcore.http11").addFilter(_without_headers)

#: A host that does not take a connection within these seconds is not there.
CONNECT_TIMEOUT = 15.0

# These happen before anything of the request has left. After any other failure, the server may have acted.
_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.LocalProtocolError,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)

# OpenSSL's names for the alerts with which a server turns a client's certificate down.
_REFUSED_CERTIFICATE = (
    "ALERT_CERTIFICATE",
    "ALERT_BAD_CERTIFICATE",
    "CERTIFICATE_REQUIRED",
    "ALERT_UNKNOWN_CA",
)


def timeout(seconds: float) -> httpx.Timeout:
    """Bound each wait for the server, and the wait for a connection by itself."""
    return httpx.Timeout(seconds, connect=min(seconds, CONNECT_TIMEOUT), pool=None)


def tls_context(url: str = "https:") -> ssl.SSLContext:
    """Return whom to trust, as ``SSL_CERT_FILE`` says. It reads files, so keep it off the event loop.

    :param url: where to; plain http needs no authorities, and to read them takes longer than a request.
    :raises SpecError: when that file cannot be read.
    """
    if url.startswith("http:"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        return httpx.create_ssl_context()
    except OSError as error:  # Of which OpenSSL's own is one; neither says which file it is.
        raise SpecError(
            f"SSL_CERT_FILE={os.environ.get('SSL_CERT_FILE')!r} is refused: {error.strerror or error}. "
            "It must be the path of a PEM file with the authorities to trust. Correct it, or leave it out."
        ) from None


def new_client(
    url: str, *, verify: ssl.SSLContext | bool, transport: httpx.AsyncBaseTransport | None, **options: Any
) -> httpx.AsyncClient:
    """Make a client for one service. It follows no redirect: the credential is for that service alone.

    :param url: the service.
    :raises SpecError: for a proxy of the environment that cannot be used.
    """
    try:
        return httpx.AsyncClient(
            verify=verify,
            transport=transport,
            follow_redirects=False,
            # A proxy of the environment is for the world outside; to this machine the way is direct. With
            # plain http, which is for this machine only, it would be shown the credential.
            trust_env=not wire.is_loopback(httpx.URL(url).host),
            **options,
        )
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        # What is no address is not told: there may be a password in it.
        why = "it is no address" if isinstance(error, httpx.InvalidURL) else str(error).rstrip(".")
        raise SpecError(
            f"The proxy of the environment (HTTPS_PROXY, ALL_PROXY) is refused: {why}. Correct it, or name "
            f"{httpx.URL(url).host} in NO_PROXY."
        ) from None


def response_of(
    response: httpx.Response, path: str, base: str, body: bytes = b"", secrets: Iterable[str] = ()
) -> ApiResponse:
    """Return what came back.

    :param path: what was asked for, relative to ``base``.
    :param secrets: what the request held, besides its headers, that no message may repeat.
    """
    return ApiResponse(
        method=response.request.method,
        path=path,
        base=base,
        status=response.status_code,
        headers=response.headers,
        body=body,
        sent=response.request.headers,
        secrets=tuple(secrets),
    )


@contextmanager
def translate_errors(method: str, path: str, base: str) -> Iterator[None]:
    """Tell what httpx raises as an error of ours.

    :param base: where it was sent, for the message.
    """
    try:
        yield
    # With TLS 1.3 the server looks at the client's certificate after the handshake, and its alert comes with
    # the first read, where httpcore lets it through as it is.
    except (httpx.RequestError, ssl.SSLError) as error:
        raise _fault_of(error, base, {"method": method, "path": path}) from error


def _fault_of(error: Exception, base: str, facts: dict[str, Any]) -> RequestError:
    tls = _tls_error(error)
    if isinstance(tls, ssl.SSLCertVerificationError):
        return TLSVerificationError(
            f"{base} is not to be trusted: {tls.verify_message}. Asking again does not help. If its "
            "certificate is signed by an authority of your own, name that one's file in SSL_CERT_FILE.",
            **facts,
        )
    reason = str(getattr(tls, "reason", None) or "")
    if any(words in reason for words in _REFUSED_CERTIFICATE):
        said = reason.partition("ALERT_")[2].replace("_", " ").lower() or "certificate required"
        return AuthenticationError(f"{base} refused the client's certificate: {said}.", **facts)
    why = _TIMED_OUT.get(type(error)) or str(error) or type(error).__name__
    return Unreachable(
        f"{base} gave no answer to {facts['method']} {facts['path']}: {why}.",
        maybe_applied=not isinstance(error, _NEVER_SENT),
        **facts,
    )


# httpx has no words for these.
_TIMED_OUT: dict[type[Exception], str] = {
    httpx.ConnectTimeout: "no connection within the time-out",
    httpx.ReadTimeout: "nothing came within the time-out",
    httpx.WriteTimeout: "the request could not be sent within the time-out",
}


def _tls_error(error: BaseException | None) -> ssl.SSLError | None:
    """Find what TLS said below httpx, httpcore and anyio, but not what was being handled before them."""
    while error is not None and not isinstance(error, ssl.SSLError):
        is_theirs = type(error).__module__.partition(".")[0] in {"httpx", "httpcore", "anyio"}
        error = (error.__cause__ or error.__context__) if is_theirs else None
    return error
