"""Paths in the storage: their spellings, and the names that the server would cut or refuse. Pure.

A path has one canonical form here: ``/home/jdoe/m13/tiles.json``, with the same names that a session sees
below its mount.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

from airflow_provider_canfar.skaha.errors import SpecError

#: The scheme of the storage's URLs.
SCHEME = "arc"

#: Folders whose children are allocations: they have an owner and a quota, and hold all of someone's files.
ALLOCATION_PARENTS = frozenset({"/home", "/projects"})

# The server makes a java.net.URI of a path. There "#" and "?" end the path without an error, so that a write
# would go to another file; with the others, it responds 500 (PathResolver, java.net.URI's grammar).
_CUT = frozenset("#?")
_ILLEGAL = frozenset('%[]{}<>|\\^"`')

#: The longest name that the server's file systems can store, in bytes.
MAX_NAME_BYTES = 255

_URL = re.compile(rf"{SCHEME}:(?://(?:[^/@]*@)?)?")


def node_path(path: str) -> str:
    """Return a path's canonical form, from any of its spellings. It is not checked.

    >>> node_path("arc://canfar_default@home/jdoe/m13/"), node_path("arc:home/jdoe"), node_path("/")
    ('/home/jdoe/m13', '/home/jdoe', '/')
    """
    return "/" + _URL.sub("", path, count=1).strip("/") if _URL.match(path) else "/" + path.strip("/")


def check_path(path: str) -> str:
    """Return a canonical path if the server can store it under exactly this name.

    :raises SpecError: with the name, the rule and a way out.
    """
    for name in path.split("/")[1:] if path != "/" else ():
        if reason := _fault(name):
            raise SpecError(f"Invalid path {path!r}: {reason}.")
    return path


def _fault(name: str) -> str:
    if name in {"", ".", ".."}:
        return f"must not contain the name {name!r}. Write the whole path without it"
    for character in name:
        if character in _CUT:
            return f"the storage would cut it at {character!r}, and use another file. Choose another name"
        if character in _ILLEGAL or _is_blank(character):
            return (
                f"the storage cannot store a name with {character!r}. Choose another name; letters of any "
                "language, digits and - _ . + = , : ; @ ~ are safe"
            )
    if len(name.encode()) > MAX_NAME_BYTES:
        return f"the name {name[:20]}... is longer than {MAX_NAME_BYTES} bytes. Shorten it"
    return ""


def _is_blank(character: str) -> bool:
    """Whether it is a space, a control character, half of a character, or nothing that XML can hold."""
    return unicodedata.category(character) in {"Zs", "Zl", "Zp", "Cc", "Cs"} or character in "\ufffe\uffff"


def check_move(source: str, folder: str) -> None:
    """Make sure that the server moves a folder into another one.

    It refuses that not only for a folder below the source, but whenever the text of one path is in the other
    (InternalTransferAction).

    :param source: the folder that is moved.
    :param folder: the one that it is moved into.
    :raises SpecError: with the rule and a way out.
    """
    if f"{folder}/".startswith(f"{source}/"):
        raise SpecError(f"Invalid target: {source} cannot be moved into itself, to {folder}.")
    if source in folder:
        raise SpecError(
            f"Invalid target: the storage does not move {source} to {folder}: it takes any folder whose path "
            "contains that text for one inside of it. Rename one of them first."
        )


def is_inside(destination: str, source: str, target: str) -> bool:
    """Whether the server has moved something into a folder that stood at its target.

    >>> is_inside("/home/jdoe/b/a", "/home/jdoe/a", "/home/jdoe/b")
    True

    :param destination: where it is now, with the links in its path resolved.
    :param source: where it was.
    :param target: where it was to be.
    """
    inside = f"{target}/{source.rpartition('/')[2]}"
    return destination != target and destination.endswith("/" + "/".join(inside.split("/")[-2:]))


def url_path(path: str) -> str:
    """Return a canonical path for a URL, percent-encoded and without the first slash.

    All of it, as Tomcat takes what follows a ``;`` for parameters and drops it (CoyoteAdapter).

    >>> url_path("/home/jdoe/é;a")
    'home/jdoe/%C3%A9%3Ba'
    """
    return quote(check_path(path)[1:], safe="/")


def parent(path: str) -> str:
    """Return the folder that contains a path; the root contains itself.

    >>> parent("/home/jdoe"), parent("/home"), parent("/")
    ('/home', '/', '/')
    """
    return path.rpartition("/")[0] or "/"


def ancestors(path: str) -> list[str]:
    """Return the folders above a path, the nearest first, without the root.

    >>> ancestors("/home/jdoe/m13/tiles")
    ['/home/jdoe/m13', '/home/jdoe', '/home']
    """
    found = []
    while (path := parent(path)) != "/":
        found.append(path)
    return found


def is_allocation_root(path: str) -> bool:
    """Whether a path is an allocation or above one, so that removing it would remove all of someone's files.

    >>> [is_allocation_root(path) for path in ("/", "/home", "/projects/m13", "/home/jdoe/m13")]
    [True, True, True, False]
    """
    return parent(path) == "/" or parent(path) in ALLOCATION_PARENTS


def allocation_of(path: str) -> str | None:
    """Return the allocation that a path is in, which has the quota.

    >>> allocation_of("/home/jdoe/m13/x"), allocation_of("/home")
    ('/home/jdoe', None)
    """
    return next((one for one in (path, *ancestors(path)) if parent(one) in ALLOCATION_PARENTS), None)
