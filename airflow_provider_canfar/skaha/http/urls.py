"""Which URLs a credential may be sent to, and how a URL is quoted in a message."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from airflow_provider_canfar.skaha.errors import SpecError
from airflow_provider_canfar.skaha.secret import Secret, described

_LABEL = re.compile(r"[^\W_](?:[\w-]{0,61}[^\W_])?")
# A version, or a short word of letters alone; a token has digits.
_WORD = re.compile(r"v[0-9]{1,3}(?:\.[0-9]{1,3})*|[A-Za-z-]{1,24}")

if TYPE_CHECKING:
    from urllib.parse import SplitResult


def service_url(url: str, what: str = "platform URL") -> str:
    """Return a service's URL without a trailing slash, if a credential may be sent there.

    :param what: what it is, for the message.
    :raises SpecError: for anything but a URL, and for plain http to any host but this machine.
    """
    url = Secret(url).strip()
    if problem := _problem(url):
        raise SpecError(f"Invalid {what} ({described(url)}): {problem}")
    return str(url).rstrip("/")


def _problem(url: str) -> str | None:
    """Return what is wrong with a URL, and a way out, without any part of it."""
    if "@" in url:
        # What is before the "@" is most likely a secret, and may contain what ends a host.
        return "must not contain a user or a password. Give the credential separately."
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not _is_valid(url, parts):
        return (
            "must be a complete URL with the full name of a host, such as "
            "'https://ws-uv.canfar.net/skaha/v1'."
        )
    if parts.query or parts.fragment:
        return "must not contain a query or a fragment. Omit them."
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        return (
            "must use https, as plain http shows the credential to everybody on the way. "
            "Plain http works for this machine only (127.0.0.1, localhost)."
        )
    return None


def _is_valid(url: str, parts: SplitResult) -> bool:
    """Whether it has no space, and a valid host and port; urlsplit checks neither."""
    try:
        httpx.URL(url)
        return is_host_name(parts.hostname or "") and parts.port != 0 and re.search(r"\s", url) is None
    except (ValueError, httpx.InvalidURL):
        return False


def is_host_name(host: str) -> bool:
    """Whether it is an address, or has the form of a complete name in DNS (RFC 1123).

    Without a dot it might as well be a token in the wrong field, which would be sent to a name server, and
    quoted as the host that does not respond.
    """
    try:
        ip_address(host)
    except ValueError:
        labels = host.removesuffix(".").split(".")
        is_complete = len(labels) > 1 or is_loopback(host)
        return is_complete and len(host) <= 253 and all(map(_LABEL.fullmatch, labels))
    return True


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def without_secrets(url: str) -> str:
    """Return a URL without its password, its query and its fragment, for a message.

    The storage's own redirects have a token in the path (``preauth:``, TokenTool).
    """
    url = re.sub(r"[?#].*", "", re.sub(r"//[^/@]*@", "//***@", url), flags=re.DOTALL)
    return re.sub(r"preauth:[^/]*", "preauth:***", url)


def shown(url: str) -> str:
    """Return a URL, or its path, for a message: with ``***`` for each part of the path that is no plain word.

    >>> shown("https://ws-uv.canfar.net/skaha/v1"), shown("/token/eyJhbGciOiJSUzI1NiJ9eyJzdWIiOiJ")
    ('https://ws-uv.canfar.net/skaha/v1', '/token/***')
    """
    parts = urlsplit(url)
    words = ["***" if _may_be_secret(word) else word for word in parts.path.split("/")]
    return parts._replace(path="/".join(words)).geturl()


def hidden_words(url: str) -> tuple[str, ...]:
    """Return the parts of a URL's path that :func:`shown` hides, which a server may repeat."""
    return tuple(Secret(word) for word in urlsplit(url).path.split("/") if _may_be_secret(word))


def _may_be_secret(word: str) -> bool:
    return bool(word) and not _WORD.fullmatch(word)
