"""The names of nodes: in a request's path, and in the ``vos:`` URIs of documents."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, unquote_to_bytes

from airflow_provider_canfar.emulator.api import tomcat
from airflow_provider_canfar.emulator.api.http_errors import internal_error
from airflow_provider_canfar.emulator.storage.node_faults import node_fault

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import Request

Names = tuple[str, ...]
"""The path of a node, from the root down; empty for the root."""

AUTHORITY = "cadc.nrc.ca~arc"
BASE = f"vos://{AUTHORITY}"

#: What java.net.URI takes in a path. Characters beyond ASCII are legal unless they are spaces or controls.
CHARACTER = r"[A-Za-z0-9_\-!.~'()*,;:$&+=@/]|[^\x00-\x9f\s]"
LEGAL = re.compile(rf"(?:{CHARACTER}|%[0-9A-Fa-f]{{2}})*")


def is_legal(path: str) -> bool:
    """Return whether java.net.URI takes a path."""
    return LEGAL.fullmatch(path) is not None


def node_path(names: Iterable[str]) -> str:
    """Return a node's path, beginning with a slash."""
    return "/" + "/".join(names)


def node_uri(names: Names) -> str:
    """Return a node's URI (*LocalServiceURI.getURI*).

    :raises HttpError: 500 for a name that java.net.URI refuses, such as one with a space.
    """
    uri = BASE + ("".join(f"/{name}" for name in names))
    if not is_legal(uri.removeprefix(BASE)):
        raise internal_error(f"java.lang.RuntimeException: BUG: VOSURI syntax: {uri}")
    return uri


def child_uri(names: Names) -> str:
    """Return the URI of a node in a list, where illegal characters are encoded (*NodeUtil.getChildURI*)."""
    text = "".join(f"/{name}" for name in names).encode(errors="replace").decode()
    return BASE + "".join(
        character if re.fullmatch(CHARACTER, character) else quote(character, safe="") for character in text
    )


def requested_names(request: Request, component: str) -> Names:
    """Return the names in a request's path below a component such as ``/arc/files``.

    Tomcat drops what follows a semicolon in each part, decodes, and resolves ``.`` and ``..``
    (*CoyoteAdapter*). The service then puts the decoded path into a URI without encoding it again
    (*FileAction.parsePath*, *NodeAction.getTargetURI*): java.net.URI refuses a space, and takes what follows
    a ``#`` or ``?`` for something else than the path, so the name is cut.

    :raises HttpError: 400 from Tomcat, or 500 for what java.net.URI refuses.
    """
    path: bytes = request.scope["raw_path"]
    if b"%2f" in path.lower():
        raise tomcat.rejected("Invalid URI: noSlash")
    parts = [unquote_to_bytes(part.partition(b";")[0]) for part in path.split(b"/")]
    try:
        decoded = [part.decode() for part in parts]
    except UnicodeDecodeError:
        raise tomcat.rejected("Invalid URI") from None
    if any("\0" in part for part in decoded):
        raise tomcat.rejected("Invalid URI")
    names = _normalized(decoded[len(component.split("/")) :])
    return _names_of_path(node_path(names))


def document_names(uri: str) -> Names:
    """Return the names in a ``vos:`` URI of a document or a parameter.

    ``~`` and ``!`` in its authority are equal (*VOSURI.equals*).

    :raises HttpError: 400 for a URI of another scheme or service, or one that java.net.URI refuses.
    """
    scheme, _, rest = uri.partition("://")
    authority, _, path = rest.partition("/")
    if scheme.lower() != "vos":
        raise node_fault("InvalidArgument", f"URI scheme must be vos: {uri}")
    if authority.replace("!", "~") != AUTHORITY:
        raise node_fault("InvalidURI", f"{uri} is not a node of {BASE}")
    path = re.split("[?#]", path, maxsplit=1)[0]
    if not is_legal(path):
        raise node_fault("InvalidURI", f"invalid node uri: {uri}")
    return _checked(unquote(path).strip("/").split("/"))


def _names_of_path(path: str) -> Names:
    kept = re.split("[?#]", path, maxsplit=1)[0]
    if not is_legal(kept):
        raise internal_error(
            f"java.lang.RuntimeException: BUG (probably): failed to generate VOSURI from path: {path}"
        )
    return _checked(unquote(kept).strip("/").split("/"))


def _normalized(parts: Iterable[str]) -> list[str]:
    names: list[str] = []
    for part in parts:
        if part == ".." and not names:
            raise tomcat.rejected("Invalid URI")
        if part == "..":
            names.pop()
        elif part not in ("", "."):
            names.append(part)
    return names


def _checked(names: Iterable[str]) -> Names:
    """Return the names, none of which leads out of its folder.

    The service has no such check; here it keeps the rest of this machine out of reach.
    """
    kept = tuple(name for name in names if name)
    if any(name in (".", "..") or "\0" in name for name in kept):
        raise node_fault("InvalidURI", "a path may not contain . or ..")
    return kept
