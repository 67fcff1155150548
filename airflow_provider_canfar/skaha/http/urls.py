"""Which URLs a credential may be sent to, and how a URL is quoted in a message."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from airflow_provider_canfar.skaha.errors import SpecError

if TYPE_CHECKING:
    from urllib.parse import SplitResult


def service_url(url: str, what: str = "platform URL") -> str:
    """Return a service's URL without a trailing slash, if a credential may be sent there.

    :param what: what it is, for the message.
    :raises SpecError: for anything but a URL, and for plain http to any host but this machine.
    """
    if "@" in url:
        # The message omits it: what is before the "@" is most likely a secret, and may contain what ends a
        # host.
        raise SpecError(
            f"Invalid {what}: must not contain a user or a password. Give the credential separately."
        )
    parts = urlsplit(url.strip())
    if parts.scheme not in {"http", "https"} or not parts.hostname or not _is_valid(url.strip(), parts):
        raise SpecError(
            f"Invalid {what} {without_secrets(url)!r}: must be a complete URL, "
            "such as 'https://ws-uv.canfar.net/skaha/v1'."
        )
    if parts.query or parts.fragment:
        raise SpecError(
            f"Invalid {what} {without_secrets(url)!r}: must not contain a query or a fragment. Omit them."
        )
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise SpecError(
            f"Invalid {what} {url!r}: must use https, as plain http shows the credential to everybody on the "
            "way. Plain http works for this machine only (127.0.0.1, localhost)."
        )
    return url.strip().rstrip("/")


def _is_valid(url: str, parts: SplitResult) -> bool:
    """Whether it has no space, and a valid host and port; urlsplit checks neither."""
    try:
        httpx.URL(url)
        return parts.port != 0 and re.search(r"\s", url) is None
    except (ValueError, httpx.InvalidURL):
        return False


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
