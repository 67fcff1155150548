"""Where a connection's storage is, and where its sessions see it. No Airflow in it, and no I/O."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_canfar.skaha.errors import SpecError
from airflow_provider_canfar.skaha.http import urls
from airflow_provider_canfar.skaha.secret import Secret, described

#: The path of CANFAR's own storage service, and of the emulator's.
STORAGE_PATH = "arc"

#: Sites whose storage service has another path: that of cavern's own deployment.
_OTHER_PATHS = {"src.canfar.net": "cavern"}


def storage_url(extra: Mapping[str, Any], platform: str) -> str:
    """Return the base URL of the storage that the sessions of a platform use.

    >>> storage_url({}, "https://ws-uv.canfar.net/skaha/v1"), storage_url({}, "https://src.canfar.net/skaha/v1")
    ('https://ws-uv.canfar.net/arc', 'https://src.canfar.net/cavern')

    :param extra: of the connection.
    :param platform: the platform's base URL.
    :raises SpecError: if the extra is no URL that a credential may be sent to.
    """
    if url := extra.get("storage_url"):
        return urls.service_url(str(url), "storage_url")
    parts = urlsplit(platform)
    path = _OTHER_PATHS.get(parts.hostname or "", STORAGE_PATH)
    return f"{parts.scheme}://{parts.netloc}/{path}"


def storage_mount(extra: Mapping[str, Any]) -> str | None:
    """Return the folder in which the sessions see the storage; None if the connection does not say.

    :param extra: of the connection.
    :raises SpecError: if it is no absolute path.
    """
    if not (mount := extra.get("storage_mount")):
        return None
    path = Secret(mount).strip()
    if not path.startswith("/") or posixpath.normpath(path).lstrip("/") == "" or not path.isprintable():
        raise SpecError(
            f"Invalid storage_mount ({described(mount)}): must be the absolute path of a folder in a "
            "session, such as '/arc'. Omit it for the site's default."
        )
    return "/" + posixpath.normpath(path).lstrip("/")


def default_mount(url: str) -> str:
    """Return where sessions see a storage by default: under the name of its service.

    >>> default_mount("https://ws-uv.canfar.net/arc"), default_mount("https://src.canfar.net/cavern")
    ('/arc', '/cavern')
    """
    return "/" + (urlsplit(url).path.rstrip("/").rpartition("/")[2] or STORAGE_PATH)
